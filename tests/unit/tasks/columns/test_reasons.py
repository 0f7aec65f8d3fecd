"""Why rows were rejected, in words."""

import polars as pl
import pytest

from connectors.catalogue.columns import ColumnType
from tasks.columns.conform import NO_TIME, RAGGED
from tasks.columns.reasons import count_reasons, in_words, most_frequent


def frame(*reasons: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"reasons": list(reasons)}, {"reasons": pl.List(pl.String)})


def test_rows_are_counted_by_each_of_their_reasons() -> None:
    frames = [frame(["a: not int", "b: not date"], ["a: not int"]), frame(), frame(["b: not date"])]
    assert count_reasons(frames) == {"a: not int": 2, "b: not date": 2}


@pytest.mark.parametrize(
    ("reasons", "rows", "said"),
    [
        ({"boot_time: not datetime": 11, "a: not int": 1}, 12, ", 11 of them: boot_time is not a"),
        ({"a: null in a required column": 3}, 3, ", all of them: a is null in a required column"),
        ({"b: not int": 1, "a: not int": 1}, 2, ", 1 of them: a is not a whole number"),
        ({RAGGED: 2}, 2, f", all of them: {RAGGED}"),
        ({NO_TIME: 1}, 5, f", 1 of them: {NO_TIME}"),
        ({}, 2, ""),
    ],
)
def test_the_most_frequent_reason_ends_a_sentence(
    reasons: dict[str, int], rows: int, said: str
) -> None:
    assert most_frequent(reasons, rows).startswith(said)


@pytest.mark.parametrize("kind", list(ColumnType))
def test_every_type_has_words(kind: ColumnType) -> None:
    said = in_words(f"a: not {kind}")
    assert said.startswith("a is not ")
    assert kind is ColumnType.JSON or said != f"a is not {kind}"
