"""Which targets are left out of a plan: each for one reason, from the journal or the tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.actions import ActionKind
from tasks.act.candidates import CANDIDATES
from tasks.act.exclusions import by_journal, elsewhere, left_out, other_platform, targeted
from tasks.act.readback import EXECUTIONS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=7)
LONG_AGO, LATELY = SINCE - timedelta(days=1), SINCE + timedelta(hours=1)
DEVICE = "3f0c1f52-6a55-4a2e-9d6e-9d8b0f2a7c11"
SID = "S-1-5-21-1-2-3"
RECENT = {
    "target": pl.String,
    "state": pl.String,
    "status": pl.String,
    "requested_at": EXECUTIONS["requested_at"],
    "status_at": EXECUTIONS["status_at"],
}


def candidates(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CANDIDATES)


def reason_of(**row: Any) -> str | None:
    """Return why a target with one row in the journal is left out."""
    usual = {"target": "a", "state": "requested", "requested_at": LONG_AGO}
    recent = pl.DataFrame([usual | row], schema=RECENT)
    rows = pl.DataFrame({"target": ["a"], "reason": [None]}, schema_overrides={"reason": pl.String})
    found: str | None = left_out(rows, by_journal(recent, SINCE))["reason"][0]
    return found


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"state": "intent"}, "in_doubt"),
        ({"state": "sending"}, "in_doubt"),
        ({"state": "unknown"}, "in_doubt"),
        ({"state": "not_seen", "status": "expired"}, "in_doubt"),
        ({"requested_at": LATELY}, "cool_down"),
        ({"requested_at": LATELY, "status": "success", "status_at": LATELY}, "cool_down"),
        ({"requested_at": LATELY, "status": "failure", "status_at": LATELY}, "cool_down"),
        ({"requested_at": LATELY, "status": "expired", "status_at": LATELY}, None),
        ({"requested_at": LATELY, "status": "cancelled", "status_at": LATELY}, None),
        # A device that was offline for days has acted just now.
        ({"status": "success", "status_at": LATELY}, "cool_down"),
        ({"status": "success", "status_at": LONG_AGO}, None),
        ({"status": "waiting_on_device", "status_at": LONG_AGO}, "under_way"),
        # A request that never showed counts for the cool-down only.
        ({"status": None}, None),
    ],
)
def test_the_journal_says_who_is_left_out(row: dict[str, Any], reason: str | None) -> None:
    assert reason_of(**row) == reason


@pytest.mark.parametrize(
    ("row", "is_left_out"),
    [
        ({"requested_at": LATELY}, True),
        ({"requested_at": LONG_AGO, "status": "success", "status_at": LONG_AGO}, False),
        ({"requested_at": LONG_AGO, "status": "success", "status_at": LATELY}, True),
        ({"requested_at": LONG_AGO, "status": "in_progress"}, True),
        ({"requested_at": LATELY, "status": "expired"}, False),
        ({"requested_at": LATELY, "request_id": None}, True),
        ({"requested_at": LATELY, "request_id": "ours"}, False),
        ({"requested_at": None}, True),
        ({"requested_at": LATELY, "target": None}, False),
    ],
)
def test_who_was_acted_on_by_others_is_left_out(row: dict[str, Any], is_left_out: bool) -> None:
    executions = pl.DataFrame([{"target": "a", "request_id": "r"} | row], schema=EXECUTIONS)
    found = elsewhere(executions, pl.Series(["ours"]), SINCE)
    assert found.to_list() == (["a"] if is_left_out else [])


def test_a_target_needs_the_identity_that_the_action_is_about() -> None:
    rows = candidates(
        {"device": DEVICE, "person": SID},
        {"device": DEVICE},
        {"person": SID},
        {"device": "no uuid", "person": SID},
        {"device": DEVICE, "person": "anna@example.com"},
        {"device": DEVICE, "person": SID},
        {"device": DEVICE, "person": SID, "reason": "ambiguous"},
    )
    found = targeted(rows, ActionKind.WORKFLOW, devices=True, people=True)
    assert found["target"].to_list() == [f"{DEVICE}|{SID}", *[None] * 4, f"{DEVICE}|{SID}", None]
    assert found["reason"].to_list() == [
        None,
        *["no_identity"] * 4,
        "duplicate",
        "ambiguous",
    ]


def test_an_action_about_nobody_has_one_target() -> None:
    found = targeted(candidates({}), ActionKind.WORKFLOW, devices=False, people=False)
    assert found.select("target", "reason").rows() == [("|", None)]


@pytest.mark.parametrize(
    ("platform", "windows", "mac", "is_left_out"),
    [
        ("Windows", True, False, False),
        ("macOS", True, False, True),
        ("macOS", True, True, False),
        ("Linux", True, True, True),
        (None, True, False, False),
    ],
)
def test_a_device_needs_a_script_for_its_system(
    platform: str | None, windows: bool, mac: bool, is_left_out: bool
) -> None:
    rows = candidates({"device": DEVICE, "platform": platform}).with_columns(target=pl.lit("a"))
    found = left_out(rows, [("platform", other_platform(windows, mac))])
    assert found["reason"].to_list() == (["platform"] if is_left_out else [None])
