"""The devices that a file names, found in the inventory; whom it does not name exactly is left out.

A line names a device by any of its ids. A row with several ids has to mean one device by all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from connectors.errors import UsageError
from connectors.nexthink import UUID
from tasks.act.deletion.inventory import Inventory
from tasks.act.target_files import LONGEST_NAME
from tasks.act.target_tables import DEVICE_FIELDS, read_content, table_of
from tasks.columns.times import UTC_TYPE

UNKNOWN: Final = "unknown"
AMBIGUOUS: Final = "ambiguous"
# The ids of a row are those of several devices.
MISMATCH: Final = "mismatch"
DUPLICATE: Final = "duplicate"
NO_IDENTITY: Final = "no_identity"
NO_LAST_SEEN: Final = "no_last_seen"
# Columns of what was found; `reason` is null for the devices that are to be deleted.
FOUND: Final[dict[str, Any]] = {
    "position": pl.Int64,
    "target": pl.String,
    "name": pl.String,
    "last_seen": UTC_TYPE,
    "reason": pl.String,
}
_ANY: Final = "any"
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "collector_uid": ("uid",),
    "uid": ("device_uid",),
    "name": ("name",),
    _ANY: ("uid", "device_uid", "name"),
}


def read_named(file: str) -> list[dict[str, str]]:
    """Return the ids of each device in a file, or on stdin for `-`: a device a line, CSV or JSON.

    Columns that are not ids do not matter: lists of devices have more of them.

    Raises:
        UsageError: it names no device, or is not such a file. The message quotes no line.
    """
    text = read_content(file)
    if table := table_of(file, text, DEVICE_FIELDS, others=True):
        rows = [{name: row[name] for name in _FIELDS if name in row} for row in table.rows]
        for number, row in zip(table.numbers, rows, strict=True):
            if not row:
                raise UsageError(f"{file}: row {number} has no id; nothing was planned")
        return rows
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"{file}: names no device")
    if any(len(line) > LONGEST_NAME or "\0" in line for line in lines):
        raise UsageError(f"{file}: is not a list of devices, one a line")
    return [{_ANY: line} for line in lines]


def find_named(named: list[dict[str, str]], inventory: Inventory) -> pl.DataFrame:
    """Return a row of FOUND for each named device, in order, with why one is left out."""
    known = _Known(inventory)
    seen: set[str] = set()
    rows: list[tuple[Any, ...]] = []
    for position, ids in enumerate(named):
        uid, reason = known.one(ids)
        device = known.devices.get(uid or "")
        if uid is None or device is None:
            rows.append((position, None, None, None, reason))
            continue
        if reason is None and uid in seen:
            reason = DUPLICATE
        seen.add(uid)
        rows.append((position, uid, device.name, device.last_seen, reason))
    return pl.DataFrame(rows, schema=FOUND, orient="row")


@dataclass(frozen=True, slots=True)
class _Device:
    name: str | None
    last_seen: object
    rows: int


class _Known:
    """The inventory by each kind of id; case does not count."""

    def __init__(self, inventory: Inventory) -> None:
        rows = inventory.devices
        counts: dict[str, int] = dict(rows.group_by("uid").len().iter_rows())
        self.devices = {
            uid: _Device(name, last_seen, counts[uid])
            for uid, name, last_seen in rows.select("uid", "name", "last_seen").iter_rows()
        }
        self._by: dict[tuple[str, str], set[str]] = {}
        for column in ("uid", "device_uid", "name"):
            for value, uid in rows.select(value=column, to="uid").drop_nulls().iter_rows():
                self._by.setdefault((column, value.lower()), set()).add(uid)

    def one(self, ids: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Return the one device that ids mean, and why it is left out, if it is."""
        each = list(self._meant(ids))
        uids = set.intersection(*each)
        if not uids:
            return None, MISMATCH if all(each) else UNKNOWN
        if len(uids) > 1:
            return None, AMBIGUOUS
        (uid,) = uids
        return uid, self._unfit(uid)

    def _meant(self, ids: Mapping[str, str]) -> Iterator[set[str]]:
        for kind, value in ids.items():
            keys = [(column, value.lower()) for column in _FIELDS[kind]]
            yield set().union(*(self._by.get(key, set()) for key in keys))

    def _unfit(self, uid: str) -> str | None:
        device = self.devices[uid]
        if device.rows > 1:
            return AMBIGUOUS
        if not UUID.fullmatch(uid) or not (device.name or "").strip():
            return NO_IDENTITY
        return NO_LAST_SEEN if device.last_seen is None else None
