"""Which executions belong to a request whose answer was lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.ledger.action_requests import ActionRequest
from tasks.act.lookup import shown_of
from tasks.act.readback import EXECUTIONS

SENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
INTENT = "3f0c1f52-6a55-4a2e-9d6e-9d8b0f2a7c11"


def request(kind: str = "remote_action") -> ActionRequest:
    return ActionRequest(INTENT, kind, "#clean_up_disk", 2, state="unknown", sent_at=SENT)


def targets(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"target": names}, schema={"target": pl.String})


def executions(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"requested_at": SENT, "trigger": "api", "request_id": "r1"}
    return pl.DataFrame([usual | row for row in rows], schema=EXECUTIONS)


NONE = pl.Series([], dtype=pl.String)


def test_the_intent_in_the_reason_tells_for_certain() -> None:
    shown = executions(
        {"target": "a", "reason": f"nxp:{INTENT} because", "request_id": "r9"},
        {"target": "b", "reason": f"nxp:{INTENT} because", "request_id": "r9"},
        {"target": "a", "reason": "another", "request_id": "r1"},
        {"target": "c", "reason": f"nxp:{INTENT} because", "request_id": "r9"},
    )
    found = shown_of(request(), targets("a", "b"), shown, NONE)
    assert sorted(found.rows()) == [("a", "r9"), ("b", "r9")]


def test_where_reasons_are_shown_and_ours_is_not_it_was_not_done() -> None:
    shown = executions({"target": "a", "reason": "somebody else"})
    assert shown_of(request(), targets("a"), shown, NONE).is_empty()


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [
        ({}, True),
        ({"trigger": None}, True),
        ({"trigger": "manual"}, False),
        ({"request_id": "known"}, False),
        ({"request_id": None}, False),
        ({"requested_at": SENT - timedelta(minutes=6)}, False),
        ({"requested_at": SENT + timedelta(minutes=9)}, True),
        ({"requested_at": SENT + timedelta(minutes=11)}, False),
        ({"target": "z"}, False),
    ],
)
def test_without_reasons_time_way_and_targets_have_to_fit(
    change: dict[str, Any], is_ours: bool
) -> None:
    shown = executions({"target": "a"} | change)
    found = shown_of(request(), targets("a", "b"), shown, pl.Series(["known"]))
    assert found.is_empty() != is_ours


def test_a_request_that_acts_on_others_too_is_not_ours() -> None:
    shown = executions({"target": "a"}, {"target": "z"})
    assert shown_of(request(), targets("a", "b"), shown, NONE).is_empty()


def test_of_two_that_fit_neither_is_taken_but_for_campaigns() -> None:
    shown = executions({"target": "a"}, {"target": "b", "request_id": "r2"})
    assert shown_of(request("workflow"), targets("a", "b"), shown, NONE).is_empty()
    # In a campaign every user has a request of their own.
    assert shown_of(request("campaign"), targets("a", "b"), shown, NONE).height == 2
