"""Charts of answers, and cells of tables: each bar has its label, each series its line."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tasks.site.answers import cell, drawn, numeric
from tasks.site.facts import AnsweredQuestion


def question(chart: str, rows: list[tuple[Any, ...]], by: str = "") -> AnsweredQuestion:
    columns = ("day", "score", *([by] if by else []))
    return AnsweredQuestion("q", "How", chart=chart, x="day", y="score", by=by, columns=columns,
                    rows=tuple(rows))  # fmt: skip


def test_every_bar_has_its_label_and_its_number() -> None:
    made = drawn(question("bar", [("<b>", 1234), (None, 617.5), ("none", None)]))
    shown = re.findall(
        r'<th scope="row">(.*?)</th><td><span .*?"width:(.*?)%".*?> (.*?)</td>', made
    )
    assert shown == [("&lt;b&gt;", "80.0", "1,234.0"), ("(none)", "40.0", "617.5"),
                     ("none", "0.0", "none")]  # fmt: skip
    many = drawn(question("bar", [(f"n{number}", number) for number in range(40)]))
    assert many.count('<tr><th scope="row">') == 30
    assert "The first 30 of 40 are drawn." in many


def test_bars_of_groups_stand_together() -> None:
    rows = [("done", 1, "a"), ("done", 2, "b"), ("open", 3, "a")]
    made = drawn(question("bar", rows, by="campaign"))
    assert re.findall(r'rowgroup" colspan="2">(\w)|<th scope="row">(\w+)', made) == [
        ("a", ""), ("", "done"), ("", "open"), ("b", ""), ("", "done"),
    ]  # fmt: skip


def test_each_series_is_a_line_over_all_days() -> None:
    days = [date(2026, 11, day) for day in (1, 2, 3)]
    rows = [(days[0], 5.0, "CH"), (days[2], 7.5, "CH"), (days[1], 10.0, "DE")]
    made = drawn(question("line", rows, by="country"))
    lines = re.findall(r'<g class="s(\d)"><polyline points="([^"]*)"/><path', made)
    assert lines == [("0", "6.0,70.0 634.0,38.0"), ("1", "320.0,6.0")]
    assert "DE, 2026-11-02: 10" in made
    assert re.findall(r"</svg>(\w\w)</li>", made) == ["CH", "DE"]
    # The scale and its ends are text of the page, which no screen makes smaller.
    assert re.findall(r"<span>([\d-]+)</span>", made) == ["10", "0", "2026-11-01", "2026-11-03"]
    many = drawn(question("line", [(days[0], 1, f"c{place}") for place in range(10)], by="country"))
    assert "2 more in the table" in many


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (Decimal("1234.50"), "1,234.5"),
        (0.00123, "0.0012"),
        (float("nan"), "none"),
        (None, ""),
        (True, "yes"),
        (date(2026, 11, 2), "2026-11-02"),
        (datetime(2026, 11, 2, tzinfo=UTC), "2026-11-02"),
        (datetime(2026, 11, 2, 7, 5, 59, tzinfo=UTC), "2026-11-02 07:05"),
        ([1, "a"], "1, a"),
    ],
)
def test_a_cell_is_written_in_one_way(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_columns_of_numbers_are_known_also_with_gaps() -> None:
    assert numeric(question("table", [("a", None), ("b", 2)])) == [False, True]
    assert numeric(question("table", [])) == [False, False]
