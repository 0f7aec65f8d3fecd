"""What is read back: typing, targets, answers."""

from datetime import UTC, datetime

import polars as pl
import pytest

from connectors.actions import ActionKind
from tasks.act.readback import EXECUTIONS, answers_of, executions_of


def test_rows_are_typed_in_the_tenants_zone_and_the_latest_comes_first() -> None:
    texts = pl.DataFrame(
        {
            "device.collector.uid": ["AB-1", "AB-1"],
            "remote_action.execution.request_id": ["r1", "r2"],
            "remote_action.execution.request_time": ["2026-11-20 12:00:00", "2026-11-20 13:00:00"],
            "remote_action.execution.status": ["Success", "Waiting on device"],
            "remote_action.execution.time": ["2026-11-20 12:05:00", None],
            "ignored": ["x", "y"],
        }
    )
    rows = executions_of(texts, ActionKind.REMOTE_ACTION, "Europe/Zurich")
    assert dict(rows.schema) == EXECUTIONS
    assert rows["target"].to_list() == ["ab-1", "ab-1"]
    assert rows["status"].to_list() == ["waiting_on_device", "success"]
    assert rows["requested_at"][1] == datetime(2026, 11, 20, 11, tzinfo=UTC)


def test_a_workflows_target_is_device_and_person() -> None:
    texts = pl.DataFrame(
        {"device.collector.uid": ["A", None, "B"], "user.sid": [None, "S-1", "S-2"]},
        schema={"device.collector.uid": pl.String, "user.sid": pl.String},
    )
    rows = executions_of(texts, ActionKind.WORKFLOW, "UTC")
    assert rows["target"].to_list() == ["a|", "|S-1", "b|S-2"]


def test_nothing_at_all_is_no_execution() -> None:
    rows = executions_of(pl.DataFrame(), ActionKind.CAMPAIGN, "UTC")
    assert rows.is_empty()
    assert dict(rows.schema) == EXECUTIONS


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (None, []),
        ("", []),
        ("Yes", [("", "yes")]),
        ('"Yes"', [("", "yes")]),
        ('{"agreement": "Yes", "comment": null, "more": " "}', [("agreement", "yes")]),
        ('[{"question": "Q ", "answer": "No "}]', [("q", "no")]),
        ('[{"question": "q", "answer": ["a", "B"]}]', [("q", "a"), ("q", "b")]),
        ('["Yes", "No"]', [("", "yes"), ("", "no")]),
        ('{"rating": 5}', [("rating", "5")]),
        ("{broken", [("", "{broken")]),
    ],
)
def test_answers_come_in_several_forms(text: str | None, answers: list[tuple[str, str]]) -> None:
    assert answers_of(text) == answers
