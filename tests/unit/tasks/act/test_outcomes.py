"""What has changed of targets, which have ended, and what an answer says of users."""

from typing import Any

import polars as pl
import pytest

from connectors.actions import OutcomeSpecification
from connectors.ledger.action_requests import SEEN
from connectors.nexthink.acting.answers import CampaignAnswer
from tasks.act.outcomes import changed_by, counted, pauses
from tasks.act.readback import EXECUTIONS
from tasks.act.send import said_of

TARGETS = {"intent_id": pl.String, "state": pl.String, "target": pl.String, **SEEN}


def targets(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"intent_id": "i", "state": "requested"} | row for row in rows], schema=TARGETS
    )


def changed(known: dict[str, Any], request_id: str | None, *shown: dict[str, Any]) -> list[Any]:
    executions = pl.DataFrame([{"target": "a"} | row for row in shown], schema=EXECUTIONS)
    found = changed_by(targets({"target": "a"} | known), request_id, executions)
    return found["status"].to_list()


@pytest.mark.parametrize(
    ("known", "request_id", "shown", "status"),
    [
        ({}, "r", {"request_id": "r", "status": "success"}, ["success"]),
        ({}, "r", {"request_id": "other", "status": "success"}, []),
        ({}, "r", {"request_id": None, "status": "success"}, []),
        # In a campaign every target has its own request.
        ({"request_id": "own"}, None, {"request_id": "own", "status": "x"}, ["x"]),
        ({"request_id": "own"}, "r", {"request_id": "r", "status": "x"}, []),
        # A person declared it as sent; its request is not known.
        ({}, None, {"request_id": "any", "status": "x"}, ["x"]),
        ({"status": "x"}, "r", {"request_id": "r", "status": "x"}, []),
        ({"status": "x"}, "r", {"request_id": "r", "status": "x", "answers": "yes"}, ["x"]),
        ({"status": "x"}, "r", {"request_id": "r", "status": "x", "details": "waits"}, ["x"]),
        ({}, "r", {"request_id": "r", "status": "x", "target": "b"}, []),
    ],
)
def test_what_is_new_of_a_target_is_kept(
    known: dict[str, Any], request_id: str | None, shown: dict[str, Any], status: list[str]
) -> None:
    assert changed(known, request_id, shown) == status


def test_the_latest_row_of_a_target_counts() -> None:
    rows = ({"request_id": "r", "status": "success"}, {"request_id": "r", "status": "in_progress"})
    assert changed({}, "r", *rows) == ["success"]


def test_only_what_the_tenant_has_taken_is_waited_for() -> None:
    rows = targets(
        {"target": "a", "status": "success"},
        {"target": "b", "status": "waiting_on_device"},
        {"target": "c"},
        {"target": "d", "status": "success", "code": "refused"},
        {"target": "e", "state": "unknown"},
    )
    assert counted(rows) == (3, 1)
    assert counted(rows.clear()) == (0, 0)


def test_an_answer_says_who_was_left_out_and_of_nobody_else_anything() -> None:
    answers = (
        CampaignAnswer("S-1-1", "r1"),
        CampaignAnswer("S-1-2", None, "unknown"),
        CampaignAnswer("S-1-9", "r9"),
    )
    assert said_of(["S-1-1", "S-1-2", "S-1-3"], answers).rows() == [
        ("S-1-1", "r1", None),
        ("S-1-2", None, "refused"),
        ("S-1-3", None, None),
    ]


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        # As many exports as are allowed cover the whole waiting time.
        ({}, [15, 78, 486, 3021]),
        ({"exports": 1}, [3600]),
        ({"wait": "2min", "poll": "30s"}, [15, 30, 45, 30]),
        # Where more are allowed, pauses double up to `poll`.
        ({"wait": "10min", "poll": "2min", "exports": 99}, [15, 30, 60, 120, 120, 120, 120, 15]),
        ({"wait": "0s", "poll": "1s"}, [0]),
        ({"wait": "5s", "poll": "1s"}, [1, 1, 1, 2]),
    ],
)
def test_polls_cover_the_waiting_time_with_few_exports(
    outcome: dict[str, Any], seconds: list[int]
) -> None:
    found = list(pauses(OutcomeSpecification.model_validate(outcome)))
    assert [round(each.total_seconds()) for each in found] == seconds
    assert sum(each.total_seconds() for each in found) <= 3600
