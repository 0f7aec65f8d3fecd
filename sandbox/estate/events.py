"""Generates event rows on demand, in chunks: one UTC day of one block of devices.

Every column of a chunk has a random stream of its own, keyed by (seed, table, day, block, column),
so a chunk is the same whenever and in whatever order it is generated, and only the columns asked
for are generated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate import catalogue, metrics
from sandbox.estate.cache import SeriesCache
from sandbox.estate.chance import Indices, choose, some, stream
from sandbox.estate.devices import Fleet
from sandbox.estate.inventory import SYSTEM_USER
from sandbox.estate.measures import measure
from sandbox.estate.shapes import SCORE_HOUR, SHAPES, Rhythm, TableShape

SLOTS = 96
SLOT_US = 900 * 1_000_000
HOUR_US = 3600 * 1_000_000
# Devices in a chunk: keeps a chunk under 300,000 rows, however large the estate.
BLOCK = 5_000

# Chosen so that averages over a whole week match the figures of the shapes.
_WEEKDAY, _WEEKEND = 1.3, 0.25
_ONLINE = 0.9
_LATE_HOURS = (1.0, 14.0)
_VISITORS = 0.03
# For tables where a few devices cause most rows.
_CULPRITS, _CULPRIT_FACTOR = 0.03, 25.0
_MONDAY, _SATURDAY = 0, 5
_EPOCH = date(1970, 1, 1).toordinal()


def _rhythm() -> NDArray[np.float64]:
    """Return the cumulative activity by quarter of an hour of a local day."""
    hour = np.arange(SLOTS) / 4
    work = np.exp(-(((hour - 10.0) / 2.2) ** 2)) + np.exp(-(((hour - 15.0) / 2.4) ** 2))
    weights = 0.06 + work
    return np.asarray(np.cumsum(weights) / weights.sum())


@dataclass(frozen=True, slots=True)
class Keys:
    """What identifies the rows of a chunk, in order of time."""

    start: NDArray[np.int64]
    device: Indices
    link: Indices
    user: Indices


# How often each object is drawn on a Windows device, and on a Mac.
Weights: TypeAlias = tuple[list[float], list[float]]


class EventMaker:
    """Generates the chunks of the event tables of one estate."""

    def __init__(
        self,
        seed: int,
        fleet: Fleet,
        programs: Sequence[int],
        weights: Mapping[str, Weights],
        late_share: float,
    ) -> None:
        """Keep what chunks are generated from.

        `weights` says how often each object is drawn, by kind of object or for one table.
        """
        self._seed = seed
        self._fleet = fleet
        self._weights = weights
        self._late_share = late_share
        self._cache = SeriesCache()
        self._rhythm = _rhythm()
        chosen = [catalogue.PROGRAMS[i] for i in programs]
        self._system = np.array([p.system for p in chosen])
        self._memory = np.array([p.memory_mb for p in chosen]) * 1e6

    @property
    def blocks(self) -> int:
        """The number of blocks of devices."""
        return -(-self._fleet.frame.height // BLOCK)

    @property
    def has_late(self) -> bool:
        """Whether some events arrive long after they happened."""
        return self._late_share > 0

    def keys(self, table: str, day: date, block: int) -> Keys:
        """Return the identity of every row of a chunk."""
        parts = ("start", "device", "link", "user")
        made: list[Keys] = []

        def make(part: str) -> pl.Series:
            if not made:
                made.append(self._make_keys(table, day, block))
            rows = pl.Series(getattr(made[0], part))
            # Half the memory: no inventory has more rows than 32 bits can count.
            return rows if part == "start" else rows.cast(pl.Int32)

        arrays = [
            self._cache.get((table, day, block, part), lambda part=part: make(part))  # type: ignore[misc] # mypy does not see the default
            for part in parts
        ]
        return Keys(*(series.to_numpy() for series in arrays))

    def column(self, table: str, day: date, block: int, name: str) -> pl.Series:
        """Return a column of a chunk, by its short name."""
        return self._cached(
            table,
            day,
            block,
            name,
            lambda rng, keys: measure(table, name, rng, self._facts(table, keys)),
        )

    def delay(self, table: str, day: date, block: int) -> NDArray[np.int64]:
        """Return the delay after which each row of a chunk becomes visible."""

        def make(rng: np.random.Generator, keys: Keys) -> pl.Series:
            count = len(keys.start)
            late = some(rng, count, self._late_share)
            low, high = _LATE_HOURS
            return pl.Series(
                np.where(late, rng.uniform(low, high, count) * HOUR_US, 0).astype(np.int64)
            )

        return self._cached(table, day, block, "#delay", make).to_numpy()

    def _cached(
        self,
        table: str,
        day: date,
        block: int,
        name: str,
        make: Callable[[np.random.Generator, Keys], pl.Series],
    ) -> pl.Series:
        def made() -> pl.Series:
            rng = stream(self._seed, table, day.toordinal(), block, name)
            return make(rng, self.keys(table, day, block))

        return self._cache.get((table, day, block, name), made)

    def _facts(self, table: str, keys: Keys) -> metrics.Facts:
        # Only programs take memory or run without a person; other tables ignore the figures.
        binary = keys.link if SHAPES[table].link == "binary" else np.zeros_like(keys.link)
        return metrics.Facts(
            keys.start,
            keys.device,
            keys.link,
            self._memory[binary],
            self._system[binary],
            self._fleet.memory[keys.device],
            self._fleet.place[keys.device],
            self._fleet.is_mac[keys.device],
        )

    def _make_keys(self, table: str, day: date, block: int) -> Keys:
        rng = stream(self._seed, table, day.toordinal(), block, "keys")
        shape = SHAPES[table]
        if shape.about is not None:
            return self._concerned(rng, shape, shape.about, day, block)
        device = self._active_devices(rng, shape, day, block)
        slot = self._slots(rng, device)
        link = self._links(rng, table, device)
        midnight = (day.toordinal() - _EPOCH) * SLOTS
        if shape.rhythm is Rhythm.DAILY:
            start = np.full(len(device), midnight * SLOT_US + SCORE_HOUR * HOUR_US)
        elif shape.rhythm is Rhythm.WEEKLY:
            slot, device, link = self._unique(shape, np.zeros_like(slot), device, link)
            start = (midnight + slot) * SLOT_US
        elif shape.rhythm is Rhythm.SLOTS:
            slot, device, link = self._unique(shape, slot, device, link)
            start = (midnight + slot) * SLOT_US
        else:
            # Crashes and similar events happen at any millisecond.
            within = rng.integers(0, SLOT_US // 1000, len(device)) * 1000
            start = (midnight + slot) * SLOT_US + within
        return self._sorted(rng, shape, start, device, link)

    def _sorted(
        self,
        rng: np.random.Generator,
        shape: TableShape,
        start: NDArray[np.int64],
        device: NDArray[np.int64],
        link: NDArray[np.int64],
    ) -> Keys:
        """Return the rows of devices that were there, in order of time, each with a user."""
        if not shape.is_of_estate:
            active = start >= self._fleet.active_from[device]
            active &= start + SLOT_US <= self._fleet.active_until[device]
            start, device, link = start[active], device[active], link[active]
        order = np.lexsort((link, device, start))
        start, device, link = start[order], device[order], link[order]
        return Keys(start, device, link, self._users_of(rng, shape, device, link))

    def _concerned(
        self, rng: np.random.Generator, shape: TableShape, about: str, day: date, block: int
    ) -> Keys:
        """Return a row for each device that a row of another table is about, at the same time."""
        whole = self.keys(about, day, 0)
        devices = self._devices(block)[self._is_online(day, block)]
        row, column = np.nonzero(rng.random((len(whole.start), len(devices))) < shape.per_day)
        start, link = whole.start[row], np.asarray(whole.link[row], dtype=np.int64)
        return self._sorted(rng, shape, start, devices[column], link)

    def _active_devices(
        self, rng: np.random.Generator, shape: TableShape, day: date, block: int
    ) -> NDArray[np.int64]:
        """Return a device for each row of a day; devices that are switched off have no rows."""
        if shape.is_of_estate:
            # These rows are of no device; the first one stands for it.
            return np.zeros(rng.poisson(shape.per_day) if block == 0 else 0, dtype=np.int64)
        devices = self._devices(block)
        if shape.rhythm is Rhythm.WEEKLY:
            count = shape.per_day if day.weekday() == _MONDAY else 0.0
            return np.repeat(devices, rng.poisson(count, len(devices)))
        online = self._is_online(day, block)
        if shape.rhythm is Rhythm.DAILY:
            return np.asarray(devices[online])
        mean = np.full(len(devices), shape.per_day / _ONLINE)
        mean *= _WEEKEND if day.weekday() >= _SATURDAY else _WEEKDAY
        if shape.has_culprits:
            culprit = some(stream(self._seed, "culprits", block), len(devices), _CULPRITS)
            mean *= np.where(culprit, _CULPRIT_FACTOR, 1.0)
        return np.repeat(devices, rng.poisson(mean * online))

    def _devices(self, block: int) -> NDArray[np.int64]:
        first = block * BLOCK
        return np.arange(first, min(first + BLOCK, self._fleet.frame.height))

    def _is_online(self, day: date, block: int) -> NDArray[np.bool_]:
        """Return whether each device of a block is on: the same ones in every table."""
        share = stream(self._seed, "online", day.toordinal(), block)
        return some(share, len(self._devices(block)), _ONLINE)

    def _slots(self, rng: np.random.Generator, device: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the quarter of an hour of each row, by the rhythm of the device's location."""
        local = np.searchsorted(self._rhythm, rng.random(len(device)), side="right")
        return np.asarray((local - 4 * self._fleet.hours_ahead[device]) % SLOTS)

    def _links(
        self, rng: np.random.Generator, table: str, device: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the linked object of each row, among those of the device's platform."""
        link = SHAPES[table].link
        if link is None:
            return np.zeros(len(device), dtype=np.int64)
        weights = self._weights.get(table) or self._weights[link]
        windows, apple = (choose(rng, len(device), w) for w in weights)
        return np.where(self._fleet.is_mac[device], apple, windows)

    def _unique(
        self,
        shape: TableShape,
        slot: NDArray[np.int64],
        device: NDArray[np.int64],
        link: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows without duplicates: one sample per device, linked object and quarter."""
        links = len(self._weights[shape.link][0]) if shape.link else 1
        devices = self._fleet.frame.height
        # Sorting first is several times faster than the hashing of np.unique.
        code = np.sort((slot * devices + device) * links + link)
        code = code[np.diff(code, prepend=-1) != 0]
        return code // links // devices, code // links % devices, code % links

    def _users_of(
        self,
        rng: np.random.Generator,
        shape: TableShape,
        device: NDArray[np.int64],
        link: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the user of each row: mostly the device's own, now and then somebody else."""
        visitor = some(rng, len(device), _VISITORS)
        users = self._fleet.users
        other = rng.integers(1, max(users, 2), len(device)) % users
        user = np.where(visitor, other, self._fleet.primary_user[device])
        if shape.link != "binary":
            return user
        return np.where(self._system[link], SYSTEM_USER, user)
