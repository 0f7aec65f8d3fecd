"""Running the declared checks on staged files."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.catalogue import DatasetSpecification, Severity
from tasks.columns.checks import CheckResult, blocking, run_checks, warnings

EXPORTED = datetime(2026, 11, 20, 9, tzinfo=UTC)
SCHEMA: dict[str, pl.DataType] = {
    "uid": pl.String(),
    "size": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "tags": pl.List(pl.String()),
    "is_on": pl.Boolean(),
}
TYPES = {"size": "int", "at": "datetime", "tags": "list", "is_on": "bool"}


def specification(*checks: dict[str, Any]) -> DatasetSpecification:
    return DatasetSpecification.model_validate(
        {
            "dataset": "things",
            "query_id": "#things",
            "mode": "snapshot",
            "columns": [{"nql": name, "type": TYPES.get(name, "string")} for name in SCHEMA],
            "checks": list(checks),
        }
    )


def judge(folder: Path, frames: list[dict[str, list[Any]]], **check: Any) -> CheckResult:
    files = []
    rows = 0
    for i, columns in enumerate(frames):
        length = max(map(len, columns.values()))
        whole = {name: columns.get(name, [None] * length) for name in SCHEMA}
        frame = pl.DataFrame(whole, schema=SCHEMA)
        files.append(folder / f"date={i}.parquet")
        frame.write_parquet(files[-1])
        rows += len(frame)
    (result,) = run_checks(files, specification(check), rows=rows, exported_at=EXPORTED)
    return result


@pytest.mark.parametrize(
    ("check", "good", "bad", "words"),
    [
        (
            {"check": "rows", "min": 2, "max": 3},
            {"uid": ["a", "b"]},
            {"uid": ["a"]},
            "from 2 to 3 rows (rows 1)",
        ),
        (
            {"check": "not_null", "column": "size", "max_share": 0.5},
            {"size": [1, None]},
            {"size": [1, None, None]},
            "size is null in at most 0.5 of the rows (nulls 2, rows 3)",
        ),
        (
            {"check": "unique", "columns": ["uid", "size"]},
            {"uid": ["a", "a", None], "size": [1, 2, 1]},
            {"uid": ["a", "b", "a", None, None], "size": [1, 1, 1, 1, 1]},
            "uid and size are unique (repeated rows 2, rows 5)",
        ),
        (
            {"check": "fresh", "column": "at", "within": "1d"},
            {"at": [None, EXPORTED - timedelta(days=1), EXPORTED - timedelta(days=9)]},
            {"at": [EXPORTED - timedelta(days=1, seconds=1)]},
            "the newest at is at most 1d old (age in seconds 86,401)",
        ),
        (
            {"check": "fresh", "column": "at", "within": "1d"},
            {"at": [EXPORTED + timedelta(days=1)]},
            {"at": [None]},
            "the newest at is at most 1d old (values 0, rows 1)",
        ),
        (
            {"check": "allowed", "column": "uid", "values": ["a", "b"]},
            {"uid": ["a", None, "b"]},
            {"uid": ["a", "secret", ""]},
            "uid is one of a, b (rows with another 2, rows 3)",
        ),
        (
            {"check": "allowed", "column": "size", "values": ["1"]},
            {"size": [1, None]},
            {"size": [2]},
            "size is one of 1 (rows with another 1, rows 1)",
        ),
        (
            {"check": "allowed", "column": "is_on", "values": ["true"]},
            {"is_on": [True]},
            {"is_on": [False]},
            "is_on is one of true (rows with another 1, rows 1)",
        ),
        (
            {"check": "allowed", "column": "tags", "values": ["a", "b"]},
            {"tags": [["a", "b", "a"], [], None, [None]]},
            {"tags": [["a", "c"], ["a"]]},
            "tags is one of a, b (rows with another 1, rows 2)",
        ),
    ],
)
def test_each_check_passes_what_is_right_and_counts_what_is_not(
    tmp_path: Path,
    check: dict[str, Any],
    good: dict[str, list[Any]],
    bad: dict[str, list[Any]],
    words: str,
) -> None:
    assert judge(tmp_path, [good], **check).passed
    result = judge(tmp_path, [bad], **check)
    assert not result.passed
    assert str(result) == words


def test_a_row_that_comes_again_in_another_file_is_found(tmp_path: Path) -> None:
    frames: list[dict[str, list[Any]]] = [{"uid": ["a", "b"]}, {"uid": ["c", "a"]}]
    result = judge(tmp_path, frames, check="unique", columns=["uid"])
    assert (result.passed, result.observed) == (False, {"repeated rows": 1, "rows": 4})


def test_a_unit_of_no_rows_is_judged_by_its_number_only() -> None:
    checks = specification(
        {"check": "rows", "min": 1},
        {"check": "not_null", "column": "uid"},
        {"check": "unique", "columns": ["uid"]},
        {"check": "fresh", "column": "at", "within": "1d"},
        {"check": "allowed", "column": "uid", "values": ["a"]},
    )
    results = run_checks([], checks, rows=0, exported_at=EXPORTED)
    assert [result.passed for result in results] == [False, True, True, True, True]


def test_only_checks_that_block_give_a_reason_and_the_others_warn(tmp_path: Path) -> None:
    wrong: dict[str, list[Any]] = {"uid": ["someone@example.com"]}
    allowed = {"check": "allowed", "column": "uid", "values": ["a"]}
    warn = judge(tmp_path, [wrong], **allowed, severity="warn")
    assert blocking([warn]) is None
    assert warnings([warn]) == ["uid is one of a (rows with another 1, rows 1)"]
    block = judge(tmp_path, [wrong], **allowed)
    assert block.severity is Severity.BLOCK
    reason = blocking([warn, block])
    assert reason == "uid is one of a (rows with another 1, rows 1)"
    assert "someone" not in repr(block)


ROW = st.tuples(st.one_of(st.none(), st.sampled_from(["", "a", "b"])), st.integers(0, 3))


@given(st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_repeated_rows_are_counted_as_a_counter_counts_them(
    tmp_path: Path, files: list[list[tuple[str | None, int]]]
) -> None:
    frames: list[dict[str, list[Any]]] = [
        {"uid": [u for u, _ in rows], "size": [s for _, s in rows]} for rows in files
    ]
    result = judge(tmp_path, frames, check="unique", columns=["uid", "size"])
    everything = [row for rows in files for row in rows]
    assert result.observed["repeated rows"] == len(everything) - len(Counter(everything))
