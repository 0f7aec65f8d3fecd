"""Plans over pieces: how rows are cut must not affect the result."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nql.parser import parse
from sandbox.model.kinds import DTYPES
from sandbox.model.tables import Table
from sandbox.nql.evaluator import evaluate
from sandbox.nql.resolver import resolve
from sandbox.nql.timeframe import Frame
from tests.sampling import sampled

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WEEK = Frame(NOW - timedelta(days=7), NOW)


class Pieces:
    """Rows already cut into pieces; records how many were read and which rows were requested."""

    def __init__(self, frame: pl.DataFrame, size: int) -> None:
        self.frame, self.size, self.taken = frame, size, 0
        self.asked: Frame | None = None
        self.newest: bool | None = None

    def pieces(
        self,
        table: Table,
        columns: tuple[str, ...],
        frame: Frame,
        now: datetime,  # noqa: ARG002
        *,
        newest: bool | None,
    ) -> Iterator[pl.DataFrame]:
        self.asked, self.newest = frame, newest
        yield pl.DataFrame(schema={path: DTYPES[table.columns[path].kind] for path in columns})
        for start in range(0, self.frame.height, self.size):
            self.taken += 1
            yield self.frame.slice(start, self.size).select(columns)


def run(text: str, source: Pieces) -> pl.DataFrame:
    prepared = resolve(parse(text), text, {}, ZoneInfo("UTC"))
    return pl.concat(evaluate(prepared, source, WEEK, NOW))


def devices(data: list[tuple[str | None, int | None]]) -> pl.DataFrame:
    schema = {"device.name": pl.String, "device.days_since_last_seen": pl.Int64}
    return pl.DataFrame(data, schema=schema, orient="row")


data = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-9, 9)), max_size=20
)


@given(data, st.integers(1, 7))
@settings(max_examples=sampled(50), deadline=None)
def test_aggregates_of_pieces_are_the_aggregates_of_the_whole(
    rows: list[tuple[str | None, int | None]], size: int
) -> None:
    text = (
        "devices | summarize n = count(), total = days_since_last_seen.sum(),"
        " mean = days_since_last_seen.avg(), low = days_since_last_seen.min(),"
        " high = days_since_last_seen.max() by name"
    )
    found = {row[0]: row[1:] for row in run(text, Pieces(devices(rows), size)).rows()}
    expected = {}
    for name in {row[0] for row in rows}:
        known = [n for key, n in rows if key == name and n is not None]
        count = sum(1 for key, _ in rows if key == name)
        empty = (count, None, None, None, None)
        expected[name] = (
            (count, sum(known), pytest.approx(sum(known) / len(known)), min(known), max(known))
            if known
            else empty
        )
    assert found == expected


@given(data, st.integers(1, 7))
@settings(max_examples=sampled(50), deadline=None)
def test_conditional_aggregates_and_quantiles_do_not_show_the_pieces_either(
    rows: list[tuple[str | None, int | None]], size: int
) -> None:
    text = (
        "devices | summarize n = countif(days_since_last_seen > 0),"
        " total = days_since_last_seen.sumif(name = 'a'), high = days_since_last_seen.p95(),"
        " known = name.count(), ratio = days_since_last_seen.sum() / count()"
    )
    numbers = [n for _, n in rows if n is not None]
    of_a = [n for name, n in rows if name == "a" and n is not None]
    found = run(text, Pieces(devices(rows), size)).row(0, named=True)
    assert found == {
        "n": sum(1 for n in numbers if n > 0),
        "total": sum(of_a) if of_a else None,
        "high": pytest.approx(np.quantile(numbers, 0.95)) if numbers else None,
        "known": sum(1 for name, _ in rows if name is not None),
        "ratio": pytest.approx(sum(numbers) / len(rows)) if numbers else None,
    }


@given(data, st.integers(1, 7))
@settings(max_examples=sampled(30), deadline=None)
def test_sorting_is_stable_and_puts_nulls_last(
    rows: list[tuple[str | None, int | None]], size: int
) -> None:
    found = run(
        "devices | list name, days_since_last_seen | sort name desc", Pieces(devices(rows), size)
    )
    named = sorted((r for r in rows if r[0] is not None), key=lambda r: str(r[0]), reverse=False)
    groups = [[r for r in named if r[0] == key] for key in ("c", "b", "a")]
    assert found.rows() == [r for g in groups for r in g] + [r for r in rows if r[0] is None]


def test_a_limit_stops_reading() -> None:
    source = Pieces(devices([("a", n) for n in range(100)]), 10)
    assert run("devices | list name | limit 15", source).height == 15
    assert source.taken == 2


def test_clauses_work_in_the_order_they_are_written() -> None:
    source = Pieces(devices([("a", 3), ("a", 4), ("b", 1)]), 2)
    text = "devices | summarize n = count() by name | where n >= 2 | list n, name"
    assert run(text, source).rows() == [(2, "a")]
    assert run("devices | limit 2 | summarize n = count()", source).rows() == [(2,)]


def test_nothing_found_still_has_columns_and_counts_nought() -> None:
    found = run("devices | where name = 'x' | list name, first_seen", Pieces(devices([]), 5))
    assert found.schema == {"device.name": pl.String, "device.first_seen": pl.Datetime("us", "UTC")}
    assert run("devices | summarize n = count()", Pieces(devices([]), 5)).rows() == [(0,)]


def test_bounds_of_time_reach_the_source_before_rows_are_made() -> None:
    source = Pieces(
        pl.DataFrame(schema={"execution.event.start_time": pl.Datetime("us", "UTC")}), 1
    )
    text = (
        "execution.events | where start_time >= 2026-11-18 and start_time <= 2026-11-19"
        " | list start_time | sort start_time desc"
    )
    run(text, source)
    assert source.asked == Frame(NOW - timedelta(days=2), NOW - timedelta(days=1))
    assert source.newest is True
