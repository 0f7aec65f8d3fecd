"""Acknowledged values against those read back: confirmed, differing, or not found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.ledger.enriched import KNOWN
from tasks.sync.comparison import ReadbackComparison, compare

NOW = datetime(2026, 11, 20, tzinfo=UTC)
COST = "device/device/#cost_center"
BROKER = "device/device/virtualization/desktop_broker"
UPDATED = "device/device/virtualization/last_update"


def known(*rows: tuple[str, str, str]) -> pl.DataFrame:
    filled: list[dict[str, Any]] = [
        {
            "key": key,
            "field": field,
            "identity": key.upper(),
            "value": value,
            "state": "acknowledged",
            "attempts": 0,
            "acknowledged_at": NOW,
        }
        for key, field, value in rows
    ]
    return pl.DataFrame(filled, schema=KNOWN)


def shown(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["key", COST, BROKER, UPDATED], orient="row")


def compared(
    folder: Path, ours: list[pl.DataFrame], theirs: list[pl.DataFrame]
) -> tuple[ReadbackComparison, list[tuple[str, str, str]]]:
    result = compare(ours, theirs, fields=[COST, BROKER, UPDATED], folder=folder)
    rows = pl.read_parquet(result.differing)
    return result, rows.select("key", "field", "reason").rows()


def test_each_value_is_confirmed_or_told(tmp_path: Path) -> None:
    ours = [
        known(
            ("a", COST, " CC "),
            ("a", BROKER, "4"),
            ("a", UPDATED, "2026-10-03T15:00:00.123Z"),
            ("b", COST, "CC"),
            ("b", BROKER, "0"),
        ),
        known(("c", COST, ""), ("d", COST, ""), ("e", COST, "CC"), ("f", COST, "")),
    ]
    moment = "2026-10-03T15:00:00Z"
    theirs = [
        shown(("a", "CC", "4", moment), ("b", "edited", "", "")),
        shown(("c", "", "", ""), ("d", "still", "", "")),
    ]
    result, rows = compared(tmp_path, ours, theirs)
    assert rows == [
        ("b", COST, "set by others"),
        ("d", COST, "set by others"),
        ("e", COST, "not found"),
    ]
    assert (result.values, result.theirs, result.not_found) == (9, 2, 1)
    assert (result.rows, result.objects) == (4, 4)
    # c, d and f have no value that could be read back.
    assert (result.keys, result.found) == (3, 2)


def test_a_name_of_several_objects_is_confirmed_by_any(tmp_path: Path) -> None:
    theirs = shown(("a", "other", "", ""), ("a", "CC", "", ""))
    result, rows = compared(tmp_path, [known(("a", COST, "CC"))], [theirs])
    assert rows == []
    assert (result.rows, result.objects) == (2, 1)


@pytest.mark.parametrize(
    ("stood", "now_there", "reason", "is_back"),
    [
        ("old", "old", "read back differs", True),
        ("old", "", "read back differs", False),
        ("", "", "read back differs", False),
        (None, "", "read back differs", False),
        ("old", "other", "set by others", False),
        ("", "other", "set by others", False),
    ],
)
def test_what_stood_there_before_is_not_others_work(
    tmp_path: Path, stood: str | None, now_there: str, reason: str, is_back: bool
) -> None:
    ours = known(("a", COST, "CC")).with_columns(stood=pl.lit(stood, pl.String))
    result, rows = compared(tmp_path, [ours], [shown(("a", now_there, "", ""))])
    assert rows == [("a", COST, reason)]
    assert pl.read_parquet(result.differing)["is_back"].to_list() == [is_back]


def test_what_was_sent_a_moment_ago_need_not_show_yet(tmp_path: Path) -> None:
    theirs = [shown(("a", "other", "", ""))]
    result = compare(
        [known(("a", COST, "CC"))],
        theirs,
        fields=[COST, BROKER, UPDATED],
        folder=tmp_path,
        shows_since=NOW - timedelta(minutes=5),
    )
    assert (result.young, result.theirs, result.differs) == (1, 0, 0)


def test_nothing_against_nothing(tmp_path: Path) -> None:
    result, rows = compared(tmp_path, [], [])
    assert (result.values, result.rows, rows) == (0, 0, [])


def test_what_was_not_answered_differs_only_where_neither_value_is_there(tmp_path: Path) -> None:
    opened = {"state": pl.lit("open"), "open_value": pl.lit("new")}
    ours = known(("a", COST, "CC"), ("b", COST, "CC"), ("c", COST, "CC")).with_columns(**opened)
    never = known(("d", COST, "")).with_columns(**opened, value=pl.lit(None, pl.String))
    theirs = [(key, value, "", "") for key, value in (("a", "CC"), ("b", "new"), ("c", "other"))]
    result, rows = compared(
        tmp_path, [pl.concat([ours, never])], [shown(*theirs, ("d", "", "", ""))]
    )
    assert rows == [("c", COST, "set by others")]
    assert (result.values, result.differs) == (0, 0)
