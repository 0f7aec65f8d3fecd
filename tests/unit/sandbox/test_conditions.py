"""Conditions compared with a simple model of their meaning, row by row."""

import fnmatch
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nql.parser import parse
from sandbox.nql.conditions import expression, time_bounds
from sandbox.nql.plan import Filter
from sandbox.nql.resolver import resolve
from tests.sampling import sampled

NAMES = ["zoom.exe", "Zoom.EXE", "ÄRGER", "a*b", "", "line\nbreak", 'q"q', None]
VERSIONS = ["[22631, 4169]", "[22631, 12]", "[9, 1]", "[26100]", None]

rows = st.lists(
    st.tuples(st.sampled_from(NAMES), st.none() | st.integers(-5, 5), st.sampled_from(VERSIONS)),
    max_size=12,
)


def filtered(condition: str, frame: pl.DataFrame) -> list[tuple[object, ...]]:
    text = f"devices | where {condition}"
    stage = resolve(parse(text), text, {}, ZoneInfo("UTC")).stages[0]
    assert isinstance(stage, Filter)
    return frame.filter(expression(stage.predicate)).rows()


def frame_of(data: list[tuple[str | None, int | None, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        data,
        schema={
            "device.name": pl.String,
            "device.days_since_last_seen": pl.Int64,
            "device.operating_system.build": pl.String,
        },
        orient="row",
    )


ORDER: dict[str, Callable[[int, int], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


@given(rows, st.sampled_from(sorted(ORDER)), st.integers(-5, 5))
@settings(max_examples=sampled(60), deadline=None)
def test_numbers_compare_as_numbers_and_only_different_keeps_nulls(
    data: list[tuple[str | None, int | None, str | None]], operator: str, value: int
) -> None:
    expected = [
        r for r in data if (operator == "!=" if r[1] is None else ORDER[operator](r[1], value))
    ]
    assert filtered(f"days_since_last_seen {operator} {value}", frame_of(data)) == expected


@given(
    rows, st.sampled_from(["zoom*", "*.exe", "?oom.exe", "*", "ärger", "", "line?break", "a\\*b"])
)
@settings(max_examples=sampled(60), deadline=None)
def test_texts_compare_without_case_and_with_wildcards(
    data: list[tuple[str | None, int | None, str | None]], pattern: str
) -> None:
    glob = pattern.lower().replace("\\*", "[*]")
    same = [r for r in data if r[0] is not None and fnmatch.fnmatchcase(r[0].lower(), glob)]
    rest = [r for r in data if r not in same]
    assert filtered(f'name = "{pattern}"', frame_of(data)) == same
    assert filtered(f'name != "{pattern}"', frame_of(data)) == rest
    assert filtered(f'name in ["{pattern}", null]', frame_of(data)) == [
        r for r in data if r in same or r[0] is None
    ]
    assert filtered(f'name !in ["{pattern}", null]', frame_of(data)) == [
        r for r in rest if r[0] is not None
    ]


@given(rows, st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=sampled(40), deadline=None)
def test_and_or_and_parentheses_combine_as_in_logic(
    data: list[tuple[str | None, int | None, str | None]], low: int, high: int
) -> None:
    field = "days_since_last_seen"
    expected = [
        r
        for r in data
        if (r[1] is not None and (r[1] < low or r[1] > high)) and (r[0] or "").lower() == "zoom.exe"
    ]
    condition = f"({field} < {low} or {field} > {high}) and name = 'ZOOM.exe'"
    assert filtered(condition, frame_of(data)) == expected


def test_versions_compare_number_by_number() -> None:
    data = frame_of([("x", 1, version) for version in VERSIONS])
    found = [row[2] for row in filtered("operating_system.build > v22631.12", data)]
    assert found == ["[22631, 4169]", "[26100]"]
    assert len(filtered("operating_system.build = v22631.4169", data)) == 1


def test_contains_looks_inside_a_text_without_case_or_wildcards() -> None:
    data = frame_of([(name, 1, None) for name in NAMES])
    assert [r[0] for r in filtered("name contains 'OOM'", data)] == ["zoom.exe", "Zoom.EXE"]
    assert [r[0] for r in filtered("name contains '*'", data)] == ["a*b"]
    assert len(filtered("name !contains 'oom'", data)) == len(NAMES) - 2


def test_bounds_of_time_are_read_off_conjunctions_only() -> None:
    def bounds(condition: str) -> tuple[datetime | None, datetime | None]:
        text = f"execution.events | where {condition}"
        stage = resolve(parse(text), text, {}, ZoneInfo("UTC")).stages[0]
        assert isinstance(stage, Filter)
        return time_bounds(stage.predicate, "execution.event.start_time")

    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    both = "start_time >= 2026-01-01 and start_time <= 2026-01-02"
    assert bounds(both) == (first, last)
    assert bounds(f"({both}) and device.name = 'x'") == (first, last)
    assert bounds("start_time = 2026-01-01") == (first, first)
    assert bounds("start_time >= 2026-01-01 or device.name = 'x'") == (None, None)
    assert bounds("end_time >= 2026-01-01") == (None, None)
    assert bounds("start_time = null") == (None, None)
