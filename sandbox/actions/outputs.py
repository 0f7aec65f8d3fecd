"""What scripts return and people answer: JSON objects, always the same for a target."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.actions.campaigns import CampaignQuestion
from sandbox.estate.chance import at

_GB = 1_000_000_000
# By name, otherwise by type: from, to.
_RANGES: Mapping[str, tuple[float, float]] = {
    "FreeSpace": (4 * _GB, 180 * _GB),
    "FreedSpace": (1 * _GB, 40 * _GB),
    "DesignCapacity": (45_000, 65_000),
    "FullChargeCapacity": (20_000, 44_000),
    "ExitCode": (0, 1),
    "BootDuration": (9_000, 95_000),
    "PendingUpdates": (0, 9),
    "Int": (0, 100),
    "Size": (0, 500 * _GB),
    "Millisecond": (0, 120_000),
    "Float": (0, 100),
    "Ratio": (0, 1),
}
_WORDS: Mapping[str, tuple[str, ...]] = {
    "Method": ("XTS-AES 256", "XTS-AES 128", "AES 256"),
    "Status": ("Running", "Stopped"),
    "StartType": ("Automatic", "Manual", "Disabled"),
    "BiosVersion": ("1.14.2", "1.21.0", "F.62 Rev. A"),
    # A comma, a quote and a non-ASCII letter: real outputs have them too.
    "String": ("value one", 'value "two", with a comma', "Wert drei, größer"),
}
_LISTS: tuple[list[str], ...] = (
    ["OneDrive.exe", "Teams.exe"],
    ["OneDrive.exe", "Teams.exe", 'ACME "Vault" Backup'],
    [],
)
# Outputs that echo what an input asked for.
_ECHOES = {"StartType": "SetStartTypeTo"}
_WHOLE = frozenset({"Int", "Size", "Millisecond"})
# Multiples of the golden ratio spread evenly in [0, 1), so outputs differ.
_STEP = 0.6180339887498949


def outputs(
    declared: Sequence[tuple[str, str]],
    drawn: NDArray[np.float64],
    parameters: Mapping[str, str],
    taken: datetime,
) -> pl.Series:
    """Return one JSON object for each target, null where the script returns nothing."""
    if not declared or not len(drawn):
        return pl.Series([None] * len(drawn), dtype=pl.String)
    columns = []
    for number, (name, kind) in enumerate(declared):
        numbers = (drawn[:, number % drawn.shape[1]] + number * _STEP) % 1.0
        given = parameters.get(_ECHOES.get(name, ""))
        made = at((given,), np.zeros(len(drawn), dtype=np.int64)) if given else None
        columns.append(
            (made if made is not None else _values(name, kind, numbers, taken)).alias(name)
        )
    return _objects(columns)


def answers(
    questions: Sequence[CampaignQuestion],
    drawn: NDArray[np.float64],
    agreeing: NDArray[np.bool_],
    given: Mapping[int, str],
) -> pl.Series:
    """Return one JSON object of question -> answer for each person.

    Some answers are given, by the person's position.
    """
    if not questions or not len(drawn):
        return pl.Series([None] * len(drawn), dtype=pl.String)
    columns = []
    for number, question in enumerate(questions):
        numbers = (drawn[:, 4] + number * _STEP) % 1.0
        chosen = _index(numbers, len(question.options))
        if question.asks_agreement:
            chosen = np.where(agreeing, 0, 1)
        for row, answer in given.items():
            if answer in question.options:
                chosen[row] = question.options.index(answer)
        columns.append(at(question.options, chosen).alias(question.id))
    return _objects(columns)


def _values(name: str, kind: str, numbers: NDArray[np.float64], taken: datetime) -> pl.Series:
    if kind == "Bool":
        return pl.Series(numbers < 0.85)  # noqa: PLR2004 - most devices are fine
    if kind == "StringList":
        return pl.Series(_LISTS).gather(_index(numbers, len(_LISTS)))
    if kind == "DateTime":
        return _moments(numbers, taken)
    if kind in _RANGES:
        low, high = _RANGES.get(name, _RANGES[kind])
        values = low + numbers * (high - low)
        return pl.Series(values.astype(np.int64) if kind in _WHOLE else values.round(4))
    words = _WORDS.get(name, _WORDS["String"])
    return at(words, _index(numbers, len(words)))


def _moments(numbers: NDArray[np.float64], taken: datetime) -> pl.Series:
    """Return times in the previous two weeks, as ISO 8601 with a Z."""
    seconds = pl.Series((numbers * timedelta(days=14).total_seconds()).astype(np.int64))
    frame = pl.DataFrame({"s": seconds})
    instant = pl.lit(taken) - pl.duration(seconds=pl.col("s"))
    return frame.select(instant.dt.to_string("%Y-%m-%dT%H:%M:%SZ")).to_series()


def _index(numbers: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return (numbers * count).astype(np.int64)


def _objects(columns: list[pl.Series]) -> pl.Series:
    names = [column.name for column in columns]
    return pl.DataFrame(columns).select(pl.struct(names).struct.json_encode()).to_series()
