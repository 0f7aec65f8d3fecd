"""The fixed columns of the records that runs write next to the data.

Every file of a kind has all of its columns, in this order and of these types, whether or not the
run had a value for them: readers take one schema for a folder, most of them from its first file.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from connectors.lake.naming import CHANGES, REJECTS, REJECTS_RAW, RUNS


class RecordType(StrEnum):
    """The type of a column of records."""

    TEXT = "text"
    WHOLE = "whole"
    REAL = "real"
    MOMENT = "moment"
    TEXTS = "texts"


# Raised by every change of the columns below. Files without a version are of the first release.
VERSION: Final = 3
# The keys under which Parquet's own metadata has what a file holds, and in which version.
OF, OF_VERSION = b"nxp_records", b"nxp_records_version"

STAGES: Final = (
    "wait",
    "download",
    "conform",
    "check",
    "publish",
    "push",
    "verify",
    "plan",
    "send",
    "outcomes",
)


def _columns(**names: str) -> dict[str, RecordType]:
    return {name: RecordType(kind) for kind, listed in names.items() for name in listed.split()}


# Counts by name (`values` to `effect`, `standing`) and lists are JSON text.
_RUNS: Final = {
    **_columns(text="run_id tenant dataset trigger state", moment="started_at finished_at"),
    **_columns(
        whole="planned units calls rows_read rows_landed rows_rejected rows_outside "
        "rows_filtered duplicates repeated_hour wire_bytes csv_bytes parquet_bytes"
    ),
    **_columns(text="folder", moment="watermark"),
    **_columns(text="error"),
    **_columns(
        text="plan_id",
        whole="objects acknowledged rejected unknown not_sent settled_before left_out requests",
        real="objects_per_second convergence",
    ),
    **_columns(text="values codes"),
    **_columns(
        text="kind action_id sha256",
        whole="candidates targets requested refused in_doubt",
    ),
    **_columns(text="approved_by ticket excluded outcomes reasons effect retention"),
    **_columns(whole="rows_dropped files_moved bytes_moved files_deleted bytes_deleted"),
    **_columns(text="asked_by asked_how run_as"),
    **_columns(whole="no_such_object confirmed waiting", text="refused_fields standing stopped_by"),
    **_columns(real=" ".join(f"seconds_{stage}" for stage in STAGES)),
}
_REJECTS: Final = _columns(text="dataset run_id unit", whole="record", texts="reasons")
_REJECTS_RAW: Final = {
    **_columns(text="dataset run_id unit", whole="record"),
    **_columns(text="raw"),
}
SYNC_CHANGES: Final = f"{CHANGES}/sync"
ACTION_CHANGES: Final = f"{CHANGES}/action"
# The values that a sync has written, and the targets that an action has reached.
_SYNC_CHANGES: Final = {
    **_columns(text="run_id key field before after action", moment="at"),
    **_columns(text="set_by"),
}
_ACTION_CHANGES: Final = {
    **_columns(text="run_id intent_id state target device person request_id execution_id"),
    **_columns(text="code status details answers", moment="status_at"),
}
# By what the path of a file begins with.
RECORDS: Final[Mapping[str, Mapping[str, RecordType]]] = {
    RUNS: _RUNS,
    REJECTS: _REJECTS,
    REJECTS_RAW: _REJECTS_RAW,
    SYNC_CHANGES: _SYNC_CHANGES,
    ACTION_CHANGES: _ACTION_CHANGES,
}
FOLDERS: Final = (RUNS, REJECTS, REJECTS_RAW, CHANGES)
# For their owner only, in a place that knows owners.
PRIVATE: Final = frozenset({REJECTS_RAW, CHANGES})


def records_of(path: str) -> str | None:
    """Return which of RECORDS a file holds, None if it holds none."""
    return next((of for of in RECORDS if path.startswith((f"{of}/", f"{of}="))), None)
