"""From the outcomes of objects to what is known of each value."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.ledger.bulk import MOMENT
from connectors.ledger.enriched import KNOWN
from tasks.sync.halving import NOT_SENT
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.push import NO_ANSWER
from tasks.sync.settled import READ_BACK, Tried, known_rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(days=3)
A, B = "device/device/#a", "device/device/#b"
TRIED = Tried(NOW, "plan", {A: "hash-a", B: "hash-b"})
SENT: dict[str, Any] = {
    "key": pl.String,
    "identity": pl.String,
    "field": pl.String,
    "after": pl.String,
    "value": pl.String,
    "acknowledged_at": MOMENT,
    "attempts": pl.Int64,
    "code": pl.String,
}


def settled(
    outcome: ObjectOutcome,
    code: str | None = None,
    reason: str | None = None,
    *,
    attempts: int = 0,
    before: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Return what is known of two fields of one object, A new and B changed."""
    sent = pl.DataFrame(
        [
            ("pc-1", "PC-1", A, "new", None, None, None, None),
            ("pc-1", "PC-1", B, "", "old", EARLIER, attempts, before),
        ],
        schema=SENT,
        orient="row",
    )
    outcomes = pl.DataFrame(
        [("device/device/name", "PC-1", outcome.value, code, reason)],
        schema=["name", "value", "outcome", "code", "reason"],
        orient="row",
    ).cast(pl.String)
    rows = known_rows(sent, outcomes, TRIED)
    assert dict(rows.schema) == KNOWN
    return {row["field"]: row for row in rows.iter_rows(named=True)}


def test_what_was_taken_is_acknowledged() -> None:
    rows = settled(ObjectOutcome.ACKNOWLEDGED, attempts=2)
    assert (rows[A]["value"], rows[B]["value"]) == ("new", "")
    for row in rows.values():
        assert row["state"] == "acknowledged"
        assert row["acknowledged_at"] == row["tried_at"] == NOW
        assert (row["open_value"], row["code"], row["retry_at"]) == (None, None, None)
        assert (row["attempts"], row["plan_id"]) == (0, "plan")
    assert (rows[A]["mapping"], rows[B]["mapping"]) == ("hash-a", "hash-b")


def test_what_did_not_read_back_keeps_its_attempts_until_it_does() -> None:
    assert settled(ObjectOutcome.ACKNOWLEDGED, attempts=2, before=READ_BACK)[B]["attempts"] == 2
    rows = settled(ObjectOutcome.REJECTED, "ENRICH_020", "", attempts=2, before=READ_BACK)
    assert rows[B]["attempts"] == 3


def test_without_an_answer_values_are_open_and_what_was_acknowledged_stays() -> None:
    rows = settled(ObjectOutcome.UNKNOWN, NO_ANSWER, "sent, and not answered")
    assert [(row["state"], row["open_value"]) for row in rows.values()] == [
        ("open", "new"),
        ("open", ""),
    ]
    assert (rows[B]["value"], rows[B]["acknowledged_at"]) == ("old", EARLIER)
    assert rows[B]["attempts"] == 1


def test_what_was_not_sent_changes_nothing() -> None:
    assert settled(ObjectOutcome.UNKNOWN, NOT_SENT, "the run had stopped before") == {}


@pytest.mark.parametrize(("attempts", "days"), [(0, 1), (1, 2), (2, 4), (3, 7), (4, 7), (9, 7)])
def test_an_unknown_object_loses_its_values_and_waits(attempts: int, days: int) -> None:
    row = settled(ObjectOutcome.REJECTED, "ENRICH_020", "", attempts=attempts)[B]
    assert (row["state"], row["value"], row["acknowledged_at"]) == ("unknown", None, None)
    assert (row["open_value"], row["code"], row["attempts"]) == ("", "ENRICH_020", attempts + 1)
    assert row["retry_at"] == NOW + timedelta(days=days)


def test_a_bad_value_waits_and_the_other_fields_are_open() -> None:
    rows = settled(ObjectOutcome.REJECTED, "ENRICH_013", f": {A}")
    assert (rows[A]["state"], rows[A]["open_value"]) == ("rejected", "new")
    assert (rows[B]["state"], rows[B]["open_value"], rows[B]["value"]) == ("open", "", "old")
    assert rows[A]["retry_at"] is None


def test_a_refusal_of_values_that_names_no_field_is_of_all() -> None:
    rows = settled(
        ObjectOutcome.REJECTED, "ENRICH_011", "a value is of the wrong type for its field"
    )
    assert {row["state"] for row in rows.values()} == {"rejected"}
    assert rows[B]["value"] == "old"
