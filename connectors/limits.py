"""Ceilings on what other machines may send, and from where, each with its NXP_* setting.

They are far above what real tenants send. Without them a broken or hostile answer would fill the
memory or the disk, or keep a run busy for ever.
"""

import os
import re
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, Field, field_validator

from connectors.project import complete
from connectors.variables import build, read_values

KB: Final = 1024
MB: Final = 1024 * KB
GB: Final = 1024 * MB
PREFIX: Final = "NXP_"
# The vendor keeps result files in S3: regional, dual-stack, accelerated and private endpoints.
S3_HOSTS: Final = (
    "s3.amazonaws.com *.s3.amazonaws.com s3.*.amazonaws.com *.s3.*.amazonaws.com "
    "s3-*.amazonaws.com *.s3-*.amazonaws.com "
    "s3.dualstack.*.amazonaws.com *.s3.dualstack.*.amazonaws.com *.s3.*.vpce.amazonaws.com"
)
_PATTERNS: Final = re.compile(r"[A-Za-z0-9.*: -]*")


class Limits(BaseModel, frozen=True, allow_inf_nan=False):
    """The ceilings; the variable of a field is its name in capitals, such as NXP_MAX_ANSWER_MB."""

    max_answer_mb: float = Field(default=16, gt=0, description="An answer of an API, unpacked.")
    # Each takes many times its text in memory.
    max_answer_values: int = Field(
        default=1_000_000, ge=1, description="The values in such an answer."
    )
    max_answer_seconds: float = Field(
        default=300, gt=0, description="How long an answer of an API may take to arrive."
    )
    max_result_gb: float = Field(default=100, gt=0, description="A result file, unpacked.")
    max_result_ratio: float = Field(
        default=250,
        ge=1,
        description="The text of a result compared with its file's size, beyond the first 256 MiB.",
    )
    max_source_gb: float = Field(
        default=64, gt=0, description="A compressed file of a source, unpacked."
    )
    max_source_ratio: float = Field(
        default=250,
        ge=1,
        description="The same, compared with the file's size, beyond the first 64 MiB.",
    )
    # As large as `zstd --long` uses.
    max_zstd_window_mb: int = Field(
        default=128,
        ge=8,
        le=2_048,
        description="The window of a zstd file, which its decompressor holds in memory.",
    )
    max_columns: int = Field(default=1_000, ge=1, description="The columns of a result.")
    max_header_kb: float = Field(
        default=256, gt=0, le=384, description="The first line of a result."
    )
    max_cell_mb: float = Field(default=2, gt=0, description="One value of a result.")
    max_record_mb: float = Field(
        default=4, ge=0.5, le=256, description="One record of a result, which is parsed in memory."
    )
    max_rejected_mb: float = Field(
        default=64,
        gt=0,
        description="Rejected rows of one unit, held in memory until it is published.",
    )
    max_query_mb: float = Field(
        default=256,
        gt=0,
        description="A result that is not a dataset (read-backs, targets), held in memory.",
    )
    max_download_minutes: float = Field(
        default=360, gt=0, description="How long the download of one result file may take."
    )
    min_download_bytes_per_second: float = Field(
        default=1_000, ge=0, description="How slow a download may be, over a minute."
    )
    result_hosts: str = Field(
        default=S3_HOSTS,
        max_length=10_000,
        description="Where result files come from, as patterns of hosts, with spaces between.",
    )
    result_host_check: Literal["warn", "strict"] = Field(
        default="warn",
        description="Whether other hosts are warned about (warn) or refused (strict).",
    )

    @field_validator("result_hosts")
    @classmethod
    def _plain_hosts(cls, text: str) -> str:
        if not _PATTERNS.fullmatch(text):
            raise ValueError("must be hosts such as *.s3.eu-central-1.amazonaws.com, with spaces")
        return text.lower()


def setting(field: str) -> str:
    """Return the variable of a ceiling, for messages."""
    return PREFIX + field.upper()


def read_limits(environ: Mapping[str, str] | None = None) -> Limits:
    """Return the ceilings as set in NXP_* variables, their files or nxp.toml, else the defaults.

    Raises:
        ConfigurationError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    fields = Limits.model_fields
    given = complete(environ, PREFIX, fields)
    values, problems = read_values(given.environ, PREFIX, fields, given.names)
    return build(Limits, values, problems, PREFIX, given.names)
