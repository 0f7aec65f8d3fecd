"""Seeded randomness, keyed by purpose: no draw depends on an earlier one."""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Rows of an inventory, in the narrow integers in which they are kept.
Indices: TypeAlias = NDArray[np.integer[Any]]


def stream(*key: str | int) -> np.random.Generator:
    """Return the random stream of a key; Philox is counter-based, so a key is enough."""
    text = "\x1f".join(str(part) for part in key)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))


def hexadecimal(rng: np.random.Generator, count: int, digits: int) -> pl.Series:
    """Return random hexadecimal texts."""
    text = rng.bytes(count * digits // 2).hex().encode()
    return pl.Series(np.frombuffer(text, dtype=f"S{digits}").astype(f"U{digits}").astype(object))


def uuids(rng: np.random.Generator, count: int) -> pl.Series:
    """Return random version 4 UUIDs."""
    digits = pl.DataFrame({"h": hexadecimal(rng, count, 32)})
    part = pl.col("h").str.slice
    return digits.select(
        pl.concat_str(
            part(0, 8), pl.lit("-"), part(8, 4), pl.lit("-4"), part(13, 3), pl.lit("-a"),
            part(17, 3), pl.lit("-"), part(20, 12),
        )
    ).to_series()  # fmt: skip


def choose(rng: np.random.Generator, count: int, weights: Sequence[float]) -> NDArray[np.int64]:
    """Return indices drawn by weight."""
    cumulative = np.cumsum(np.asarray(weights, dtype=float))
    drawn = rng.random(count) * cumulative[-1]
    return np.asarray(np.searchsorted(cumulative, drawn, side="right"), dtype=np.int64)


def pick(
    rng: np.random.Generator,
    count: int,
    values: Sequence[str | None],
    weights: Sequence[float] | None = None,
) -> pl.Series:
    """Return values drawn by weight, uniformly by default."""
    indices = choose(rng, count, weights or [1.0] * len(values))
    return pl.Series(list(values), dtype=pl.String).gather(indices)


def some(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    """Return a mask that is true for about a share of the rows."""
    return np.asarray(rng.random(count) < share)


def at(values: Sequence[str | None], indices: Indices) -> pl.Series:
    """Return the values at indices."""
    return pl.Series(list(values), dtype=pl.String).gather(indices)
