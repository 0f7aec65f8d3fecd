"""Names within a dataset's folder: units, their files, and which unit a file belongs to."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.lake.manifest import SNAPSHOT, Entry

if TYPE_CHECKING:
    from connectors.lake.stage import StagedFile

# The folders next to the datasets' own.
RUNS = "_runs"
REJECTS = "_rejects"
REJECTS_RAW = "_rejects_raw"
CHANGES = "_changes"

COMPACT = "%Y%m%dT%H%M%SZ"
INSTANT = r"\d{8}T\d{6}Z"
# On a file system `.v7` may follow the name, on object storage twelve hexadecimal digits.
WINDOW_FILE = re.compile(rf"({INSTANT})-({INSTANT})(\.[0-9a-v]+)?\.parquet")
UNIT = re.compile(rf"({INSTANT})(?:-({INSTANT}))?")


def unit_name(starts_at: datetime, ends_at: datetime | None = None) -> str:
    """Return the name of a window (`…Z-…Z`) or, without an end, of a snapshot's slot."""
    start = f"{starts_at.astimezone(UTC):{COMPACT}}"
    return start if ends_at is None else f"{start}-{ends_at.astimezone(UTC):{COMPACT}}"


def unit_end(name: str) -> datetime | None:
    """Return the end of the window, or the start of the snapshot, that a name begins with."""
    match = UNIT.match(name)
    return _instant(match[2] or match[1]) if match else None


def targets_in_place(
    entry: Entry, staged: Sequence["StagedFile"], mode: str, gone: Sequence[str], version: int
) -> list[str]:
    """Return file names for a store that replaces by rename: a unit's only file keeps its name."""
    plain = [_plain(entry, file, mode) for file in staged]
    in_place = len(plain) == 1 and list(gone) == plain
    if mode == SNAPSHOT or in_place or not any(entry.unit in path for path in gone):
        return plain
    # Never a name that an older version used: a reader may still be reading that one.
    return [_with(path, f"v{version}") for path in plain]


def targets_apart(entry: Entry, staged: Sequence["StagedFile"], mode: str, token: str) -> list[str]:
    """Return file names for a store without locks: no publisher uses them again."""
    return [_with(_plain(entry, file, mode), token) for file in staged]


def partitions(entry: Entry, mode: str) -> list[str]:
    """Return the names of the folders in which a unit's files can be."""
    if mode == SNAPSHOT:
        return [f"snapshot={entry.unit}"]
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
    if not match:
        return False
    return entry.starts_at <= _instant(match[1]) and _instant(match[2]) <= entry.ends_at


def _plain(entry: Entry, file: "StagedFile", mode: str) -> str:
    if mode == SNAPSHOT:
        return f"snapshot={entry.unit}/data.parquet"
    return f"{file.partition}/{entry.unit}.parquet"


def _with(path: str, mark: str) -> str:
    return f"{path.removesuffix('.parquet')}.{mark}.parquet"


def _instant(text: str) -> datetime:
    return datetime.strptime(text, COMPACT).replace(tzinfo=UTC)
