"""Names within a dataset's folder: units, their files, and which unit a file belongs to."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.lake.manifest import SNAPSHOT, Entry, Manifest

if TYPE_CHECKING:
    from connectors.lake.stage import StagedFile

# The folders next to the datasets' own.
RUNS = "_runs"
REJECTS = "_rejects"
REJECTS_RAW = "_rejects_raw"
CHANGES = "_changes"
# After the name of a snapshot dataset: the view, or the Delta table, of all its snapshots.
HISTORY = "_history"
# Likewise, the view of what each object was from when to when; also a folder of what syncs changed.
VERSIONS = CHANGES

COMPACT = "%Y%m%dT%H%M%SZ"
INSTANT = r"[0-9]{8}T[0-9]{6}Z"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# On a file system `.v7` may follow the name, on object storage twelve hexadecimal digits.
WINDOW_FILE = re.compile(rf"({INSTANT})-({INSTANT})(\.[0-9a-v]+)?\.parquet")
UNIT = re.compile(rf"({INSTANT})(?:-({INSTANT}))?")
# What a manifest may name: a file directly within a partition of its dataset.
WINDOW_PATH = re.compile(rf"date={DAY}/{WINDOW_FILE.pattern}")
SNAPSHOT_FILE = re.compile(
    rf"snapshot=(?:{INSTANT}|{DAY}T[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}Z)"
    r"/data(\.[0-9a-v]+)?\.parquet",
)
# A run's id is the name of folders and part of files' names; it comes from ledger and manifest.
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PARTITIONED = ("date=", "snapshot=")
# The column in which the views find each row's path: no column of a dataset begins with _nxp_.
PATH = "_nxp_path"
# How they read a partition, from the end of the path: DuckDB's own partitioning would also read
# names of folders above the lake. Both layouts give the same values.
DATE_SQL = f"CAST(regexp_extract({PATH}, '/date=([0-9-]+)/[^/]*$', 1) AS DATE)"
SLOT_SQL = f"replace(regexp_extract({PATH}, '/snapshot=([0-9TZ-]+)/[^/]*$', 1), '-', '')"


def unit_name(starts_at: datetime, ends_at: datetime | None = None) -> str:
    """Return the name of a window (`…Z-…Z`) or, without an end, of a snapshot's slot."""
    start = f"{starts_at.astimezone(UTC):{COMPACT}}"
    return start if ends_at is None else f"{start}-{ends_at.astimezone(UTC):{COMPACT}}"


def unit_end(name: str) -> datetime | None:
    """Return the end of the window, or the start of the snapshot, that a name begins with."""
    match = UNIT.match(name)
    return _instant(match[2] or match[1]) if match else None


def partition_sql(mode: str) -> tuple[str, str]:
    """Return the name of a dataset's partition column, and SQL that reads it from PATH."""
    return ("snapshot", SLOT_SQL) if mode == SNAPSHOT else ("date", DATE_SQL)


def is_data(path: str) -> bool:
    """Return whether a path, relative to a dataset's folder, is one of a file with rows."""
    return path.startswith(PARTITIONED) and path.endswith(".parquet")


def targets_in_place(
    entry: Entry,
    staged: Sequence["StagedFile"],
    base: Manifest,
    gone: Sequence[str],
) -> list[str]:
    """Return file names for a store that replaces by rename: a unit's only file keeps its name."""
    plain = [_plain(entry, file, base) for file in staged]
    in_place = len(plain) == 1 and list(gone) == plain
    if base.mode == SNAPSHOT or in_place or not any(entry.unit in path for path in gone):
        return plain
    # Never a name that an older version used: a reader may still be reading that one.
    return [_with(path, f"v{base.version + 1}") for path in plain]


def targets_apart(
    entry: Entry, staged: Sequence["StagedFile"], base: Manifest, token: str
) -> list[str]:
    """Return file names for a store without locks: no publisher uses them again."""
    return [_with(_plain(entry, file, base), token) for file in staged]


def partitions(entry: Entry, base: Manifest) -> list[str]:
    """Return the names of the folders in which a unit's files can be.

    A day of the tenant's is always the UTC date of one of its instants.
    """
    if base.mode == SNAPSHOT:
        return [base.places.slot(entry.unit)]
    day = entry.starts_at.astimezone(UTC).date()
    found = []
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < entry.ends_at:
        found.append(f"date={day}")
        day += timedelta(days=1)
    return found


def is_within(path: str, entry: Entry, mode: str) -> bool:
    """Return whether a file of one of the unit's partitions holds rows of that unit only."""
    if mode == SNAPSHOT:
        return True
    match = WINDOW_FILE.fullmatch(path.rpartition("/")[2])
    start, end = (_instant(match[1]), _instant(match[2])) if match else (None, None)
    return bool(start and end and entry.starts_at <= start and end <= entry.ends_at)


def _plain(entry: Entry, file: "StagedFile", base: Manifest) -> str:
    if base.mode == SNAPSHOT:
        return f"{base.places.slot(entry.unit)}/data.parquet"
    return f"{file.partition}/{entry.unit}.parquet"


def _with(path: str, mark: str) -> str:
    return f"{path.removesuffix('.parquet')}.{mark}.parquet"


def _instant(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, COMPACT).replace(tzinfo=UTC)
    except ValueError:
        # Digits of no date: not one of our files.
        return None
