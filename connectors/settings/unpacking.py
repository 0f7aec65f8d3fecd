"""How much a compressed file of a source may unpack to: NXP_UNPACKED_GB and NXP_UNPACKED_RATIO."""

import os
from collections.abc import Mapping

from pydantic import BaseModel, Field

from connectors.settings.variables import build, read_values


class UnpackingLimits(BaseModel, frozen=True):
    """Limits for each file: in total, and compared with its compressed size."""

    unpacked_gb: int = Field(default=64, ge=1)
    # Text of people and devices is seldom packed to less than a thirtieth.
    unpacked_ratio: int = Field(default=250, ge=1)


def load_limits(environ: Mapping[str, str] | None = None) -> UnpackingLimits:
    """Read the limits.

    Raises:
        ConfigurationError: one is not a whole number above 0.
    """
    environ = os.environ if environ is None else environ
    values, problems = read_values(environ, "NXP_", UnpackingLimits.model_fields)
    return build(UnpackingLimits, values, problems, "NXP_")
