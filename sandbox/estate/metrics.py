"""The distributions of measured columns; `measures` says which column has which."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nql.kinds import Kind
from sandbox.estate.chance import Indices, at, hexadecimal, pick, some, uuids
from sandbox.estate.inventory import instants

BUCKET_SECONDS = 900
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the rows before their values are drawn."""

    start: NDArray[np.int64]
    # Rows of the device and of the linked object.
    device: Indices
    link: Indices
    # The memory the program usually takes, and whether it runs under no person's account.
    memory: NDArray[np.float64]
    system: NDArray[np.bool_]
    # Of the device.
    installed: NDArray[np.int64]
    place: NDArray[np.int64]
    is_mac: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.start)


Maker = Callable[[np.random.Generator, Facts], pl.Series]


def _exact(values: NDArray[np.float64], rng: np.random.Generator, missing: float) -> pl.Series:
    if not missing:
        return pl.Series(values)
    frame = pl.DataFrame({"v": values, "u": rng.random(len(values))})
    return frame.select(pl.when(pl.col("u") >= missing).then("v")).to_series()


def amount(median: float, spread: float, *, missing: float = 0.0, digits: int = 3) -> Maker:
    """Return skewed positive numbers around a median, some of them missing."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        values = rng.standard_normal(facts.count, dtype=np.float32) * np.float32(spread)
        amounts = np.round(np.exp(values.astype(np.float64)) * median, digits)
        return _exact(amounts, rng, missing)

    return maker


def size(median: float, spread: float, *, missing: float = 0.0) -> Maker:
    """Return numbers as `amount` does, in whole bytes."""
    amounts = amount(median, spread, missing=missing, digits=0)
    return lambda rng, facts: amounts(rng, facts).cast(pl.Int64)


def memory(spread: float) -> Maker:
    """Return bytes around what the program usually takes."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        noise = np.exp(rng.standard_normal(facts.count) * spread)
        return pl.Series((facts.memory * noise).astype(np.int64))

    return maker


def count(mean: float, *, missing: float = 0.0) -> Maker:
    """Return small whole numbers, most of them 0 if the mean is small."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        values = rng.poisson(mean, facts.count).astype(np.float64)
        return _exact(values, rng, missing).cast(pl.Int64)

    return maker


def flag(share: float) -> Maker:
    """Return a mask that is true for a share of the rows."""
    return lambda rng, facts: pl.Series(some(rng, facts.count, share))


def visibility(rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Return mostly foreground, except for programs that run under no person's account."""
    front = (some(rng, facts.count, 0.6)) & ~facts.system
    return at(("background", "foreground"), front.astype(np.int64))


def path(rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the path of a program."""
    paths = (
        "%ProgramFiles%\\",
        "%ProgramFiles(x86)%\\Vendor, Inc\\",
        "%LocalAppData%\\Programs\\",
        None,
    )
    return at(paths, rng.integers(0, len(paths), facts.count))


def path_root(rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the parent folder of a program."""
    roots = ("program_files", "user_profile", "system")
    return at(roots, rng.integers(0, len(roots), facts.count))


def one() -> Maker:
    """Return 1 for each row: the number of events it stands for."""
    return lambda _, facts: pl.Series(np.ones(facts.count, dtype=np.int64))


def whole(low: int, high: int) -> Maker:
    """Return whole numbers between two bounds, the upper one included."""
    return lambda rng, facts: pl.Series(rng.integers(low, high + 1, facts.count))


def between(low: float, high: float, *, missing: float = 0.0) -> Maker:
    """Return uniformly distributed numbers between two bounds."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        values = np.round(rng.uniform(low, high, facts.count), 3)
        return _exact(values, rng, missing)

    return maker


def word(values: Sequence[str | None], weights: Sequence[float] | None = None) -> Maker:
    """Return texts drawn by weight."""
    return lambda rng, facts: pick(rng, facts.count, values, weights)


def of_link(values: Sequence[str | None]) -> Maker:
    """Return the text of the linked object."""
    return lambda _, facts: at(values, facts.link % len(values))


def of_pair(values: Sequence[str | None]) -> Maker:
    """Return a text that is constant for a device and its linked object."""
    return lambda _, facts: at(values, (facts.device * 7 + facts.link) % len(values))


def of_device(values: Sequence[str | None]) -> Maker:
    """Return a text that is constant for a device."""
    return lambda _, facts: at(values, facts.device % len(values))


def of_place(values: Sequence[str | None]) -> Maker:
    """Return the text of the place where the device belongs."""
    return lambda _, facts: at(values, facts.place)


def platform(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the platform of the device."""
    return at(("Windows", "macOS"), facts.is_mac.astype(np.int64))


def steady(low: float, high: float) -> Maker:
    """Return a number that several columns share: it depends on what the row is about only."""

    def maker(_: np.random.Generator, facts: Facts) -> pl.Series:
        share = (facts.device * 0.618033988749895 + facts.link * 0.7548776662466927) % 1.0
        return pl.Series(np.round(low + (high - low) * share, 3))

    return maker


def general(kind: Kind) -> Maker | None:
    """Return plausible values of a type, for a field of which nothing else is known."""
    return _GENERAL.get(kind)


def per_device(values: Sequence[int]) -> Maker:
    """Return a number that is constant for a device."""
    return lambda _, facts: pl.Series(np.asarray(values)[facts.device % len(values)])


def per_link(values: Sequence[int]) -> Maker:
    """Return a number that is constant for a linked object."""
    return lambda _, facts: pl.Series(np.asarray(values)[facts.link % len(values)])


def start(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return when a row begins."""
    return instants(facts.start)


def end(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return when the bucket of a sample ends."""
    return instants(facts.start + BUCKET_SECONDS * _SECOND_US)


def bucket(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the length of a sample in seconds."""
    return pl.Series(np.full(facts.count, BUCKET_SECONDS))


def after(median: float) -> Maker:
    """Return a time some seconds after the start."""
    delays = amount(median, 0.8)

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        frame = pl.DataFrame({"start": instants(facts.start), "delay": delays(rng, facts)})
        milliseconds = (pl.col("delay") * 1000).round(0).cast(pl.Int64)
        return frame.select(pl.col("start") + pl.duration(milliseconds=milliseconds)).to_series()

    return maker


def identity(rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Return a UUID for each row."""
    return uuids(rng, facts.count)


def code(rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Return hexadecimal codes like those of system crashes."""
    digits = pl.DataFrame({"h": hexadecimal(rng, facts.count, 4)})
    return digits.select(pl.concat_str(pl.lit("0x0000"), "h")).to_series()


def used(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the memory in use: each device fluctuates around a level of its own."""
    return pl.Series((facts.installed * _load(facts)).astype(np.int64))


def free(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the free memory, so that the two add up to the whole."""
    return pl.Series(facts.installed - (facts.installed * _load(facts)).astype(np.int64))


def installed(_: np.random.Generator, facts: Facts) -> pl.Series:
    """Return the memory of the device."""
    return pl.Series(facts.installed)


def _load(facts: Facts) -> NDArray[np.float64]:
    level = 0.3 + 0.66 * ((facts.device * 0.618033988749895) % 1.0)
    swing = 0.03 * np.sin(facts.start / (3600.0 * _SECOND_US))
    return np.asarray(np.clip(level + swing, 0.05, 0.99))


def free_space(capacities: Sequence[int]) -> Maker:
    """Return the free space of the system drive, around a level of the device's own."""

    def maker(_: np.random.Generator, facts: Facts) -> pl.Series:
        capacity = np.asarray(capacities)[facts.device % len(capacities)]
        return pl.Series((capacity * _free_share(facts)).astype(np.int64))

    return maker


def usage(capacities: Sequence[int]) -> Maker:
    """Return the bytes in use on the system drive; with the free ones they fill it."""
    space = free_space(capacities)

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        capacity = np.asarray(capacities)[facts.device % len(capacities)]
        return pl.Series(capacity) - space(rng, facts)

    return maker


def _free_share(facts: Facts) -> NDArray[np.float64]:
    """Return a slightly fluctuating share of 2 to 62 percent: a few drives are nearly full."""
    level = 0.02 + 0.6 * ((facts.device * 0.7548776662466927) % 1.0)
    swing = 0.005 * np.sin(facts.start / (6 * 3600.0 * _SECOND_US))
    return np.asarray(level + swing)


_GENERAL: dict[Kind, Maker] = {
    Kind.INT: count(3.0),
    Kind.FLOAT: between(0.0, 100.0),
    Kind.BYTES: size(2_000_000_000, 0.5),
    Kind.DURATION: amount(0.05, 0.8, digits=6),
    Kind.BOOLEAN: flag(0.5),
}
