"""How each measured column of an event is distributed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate.chance import at, some
from sandbox.estate.inventory import instants

BUCKET_SECONDS = 900
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the rows before anything is measured."""

    start: NDArray[np.int64]
    memory: NDArray[np.float64]
    system: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.start)


Maker = Callable[[np.random.Generator, Facts], pl.Series]


def make(table: str, name: str, rng: np.random.Generator, facts: Facts) -> pl.Series:
    """Make one column of a table, by its short name."""
    return _MAKERS[table][name](rng, facts)


def _exact(series: NDArray[np.float64], drawn: NDArray[np.float64], missing: float) -> pl.Series:
    frame = pl.DataFrame({"v": series, "u": drawn})
    return frame.select(pl.when(pl.col("u") >= missing).then("v")).to_series()


def _amount(median: float, spread: float, *, missing: float = 0.0, digits: int = 3) -> Maker:
    """Skewed positive numbers around a median, some of them missing."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        values = rng.standard_normal(facts.count, dtype=np.float32) * np.float32(spread)
        amounts = np.round(np.exp(values.astype(np.float64)) * median, digits)
        return _exact(amounts, rng.random(facts.count), missing)

    return maker


def _size(median: float, spread: float, *, missing: float = 0.0) -> Maker:
    """Like an amount, in whole bytes."""
    amount = _amount(median, spread, missing=missing, digits=0)
    return lambda rng, facts: amount(rng, facts).cast(pl.Int64)


def _memory(spread: float) -> Maker:
    """Bytes around what the program usually takes."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        noise = np.exp(rng.standard_normal(facts.count) * spread)
        return pl.Series((facts.memory * noise).astype(np.int64))

    return maker


def _count(mean: float, *, missing: float = 0.0) -> Maker:
    """Small whole numbers, most of them nought when the mean is small."""

    def maker(rng: np.random.Generator, facts: Facts) -> pl.Series:
        values = rng.poisson(mean, facts.count).astype(np.float64)
        return _exact(values, rng.random(facts.count), missing).cast(pl.Int64)

    return maker


def _flag(share: float) -> Maker:
    return lambda rng, facts: pl.Series(some(rng, facts.count, share))


def _visibility(rng: np.random.Generator, facts: Facts) -> pl.Series:
    front = (some(rng, facts.count, 0.6)) & ~facts.system
    return at(("background", "foreground"), front.astype(np.int64))


def _path(rng: np.random.Generator, facts: Facts) -> pl.Series:
    paths = (
        "%ProgramFiles%\\",
        "%ProgramFiles(x86)%\\Vendor, Inc\\",
        "%LocalAppData%\\Programs\\",
        None,
    )
    return at(paths, rng.integers(0, len(paths), facts.count))


def _path_root(rng: np.random.Generator, facts: Facts) -> pl.Series:
    roots = ("program_files", "user_profile", "system")
    return at(roots, rng.integers(0, len(roots), facts.count))


_EVENT: Mapping[str, Maker] = {
    "start_time": lambda _, facts: instants(facts.start),
    "end_time": lambda _, facts: instants(facts.start + BUCKET_SECONDS * _SECOND_US),
    "bucket_duration": lambda _, facts: pl.Series(np.full(facts.count, BUCKET_SECONDS)),
    "cpu_time": _amount(6.5, 1.2),
    "execution_duration": _amount(620.0, 0.3),
    "memory.avg": _memory(0.25),
    "real_memory": _memory(0.3),
    "number_of_freezes": _count(0.03),
    "number_of_page_faults": _count(900.0),
    "incoming_traffic": _size(180_000, 1.8, missing=0.25),
    "outgoing_traffic": _size(60_000, 1.7, missing=0.25),
    "incoming_throughput": _amount(9_000.0, 1.1, missing=0.25),
    "outgoing_throughput": _amount(3_000.0, 1.1, missing=0.25),
    "connection_establishment_time": _amount(0.034, 0.8, missing=0.25, digits=6),
    "number_of_established_connections": _count(6.0, missing=0.25),
    "number_of_no_host_connections": _count(0.02, missing=0.25),
    "number_of_no_service_connections": _count(0.02, missing=0.25),
    "number_of_rejected_connections": _count(0.01, missing=0.25),
    "highest_process_visibility": _visibility,
}

_CRASH: Mapping[str, Maker] = {
    "time": lambda _, facts: instants(facts.start),
    "number_of_crashes": lambda rng, facts: pl.Series(1 + rng.poisson(0.08, facts.count)),
    "crash_on_start": _flag(0.2),
    "binary_path": _path,
    "binary_path_root": _path_root,
    "process_visibility": _visibility,
}

_MAKERS: Mapping[str, Mapping[str, Maker]] = {"events": _EVENT, "crashes": _CRASH}
