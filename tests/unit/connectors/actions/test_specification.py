"""What the YAML of an action may contain, and the error messages for the rest."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.actions import ActionSpecification, Approval

PLAIN: dict[str, Any] = {
    "action": "clean_up",
    "kind": "remote_action",
    "id": "#clean_up_disk",
    "run_as": "LOCAL_SYSTEM",
}
CAMPAIGN: dict[str, Any] = {"action": "ask", "kind": "campaign", "id": "#ask"}
FOUND = {"targets": {"query_id": "#full_disks"}}
CONSENT = {"targets": {"consent": {"campaign": "ask", "agree": ["Yes"]}}}


def specified(**changes: Any) -> ActionSpecification:
    return ActionSpecification.model_validate(PLAIN | changes)


def test_a_new_action_is_careful() -> None:
    action = specified()
    assert action.dry_run
    assert action.approval is Approval.REQUIRED
    assert (action.limits.targets, action.limits.cool_down) == (100, timedelta(days=1))
    assert action.targets.are_named
    assert action.read_back == "#remote_action_executions"
    assert action.expires_in_minutes is None


def test_a_campaign_expires_after_a_day_where_nothing_is_said() -> None:
    action = ActionSpecification.model_validate(CAMPAIGN)
    assert action.expires_in_minutes == 1_440
    assert action.read_back == "#campaign_responses"


@pytest.mark.parametrize(
    ("limits", "batch"), [({}, 10_000), ({"per_request": 500}, 500), ({"per_minute": 60}, 60)]
)
def test_a_request_has_no_more_than_a_minute_may(limits: dict[str, int], batch: int) -> None:
    assert specified(limits=limits).limits.batch == batch


def test_the_fingerprint_is_of_what_is_done_not_of_how_it_is_looked_at() -> None:
    plain = specified()
    assert specified(dry_run=False).fingerprint == plain.fingerprint
    assert specified(outcome={"wait": "2h"}).fingerprint == plain.fingerprint
    assert specified(allow=["ann"]).fingerprint == plain.fingerprint
    # As of the release before, whose plans stay valid.
    assert plain.fingerprint == "e2c5125c654906bb"
    assert specified(parameters={"a": "b"}).fingerprint != plain.fingerprint
    assert specified(limits={"targets": 5}).fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"action": "Clean"}, "action: String should match"),
        ({"id": "clean_up_disk"}, "id: must be #"),
        ({"run_as": None}, "run_as: set it for a remote action"),
        ({"run_as": "ROOT"}, "run_as"),
        ({"expires": "30min"}, "expires: must be 60 to 10,080 minutes"),
        ({"expires": "8d"}, "expires: must be 60 to 10,080 minutes"),
        ({"expires": "3661s"}, "expires: must be whole minutes"),
        ({"reason": "x" * 460}, "at most 459 characters"),
        ({"limits": {"per_request": 10_001}}, "limits.per_request"),
        ({"limits": {"targets": 0}}, "limits.targets"),
        ({"outcome": {"poll": "0s"}}, "at least a second"),
        ({"outcome": {"query_id": "nope"}}, "outcome.query_id: must be #"),
        ({"targets": {"query_id": "nope"}}, "query_id: must be #"),
        ({"targets": {**FOUND["targets"], **CONSENT["targets"]}}, "not both"),
        ({"effect_after": "1h"}, "effect_after: needs targets.query_id"),
        ({"scenario": "self_help"}, "targets.consent: self-help"),
        ({"scenario": "self_healing"}, "targets.query_id: self-healing"),
        ({"scenario": "on_demand_data"}, "lands: on-demand data"),
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"allow": []}, "allow: Tuple should have at least 1 item"),
        ({"allow": "ann"}, "allow: Input should be a valid tuple"),
        ({"allow": [7]}, "allow.0: Input should be a valid string"),
        ({"allow": ["ann", " "]}, "allow: a name must not be empty"),
        ({"allow": ["ann", "ann"]}, "allow: names somebody twice"),
        ({"allow_claimed": False}, "allow_claimed: needs allow"),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as raised:
        specified(**changes)
    told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in raised.value.errors()]
    assert any(problem in each for each in told), told


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"run_as": "LOCAL_SYSTEM"}, "run_as"),
        ({"expires": "366d"}, "must be 1 to 525,600 minutes"),
        ({"parameters": {f"p{n}": "x" for n in range(31)}}, "at most 30"),
        (CONSENT, "targets.consent: only for remote actions"),
    ],
)
def test_a_campaign_has_limits_of_its_own(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ActionSpecification.model_validate(CAMPAIGN | changes)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as raised:
        specified(id="x", run_as=None, expires="1min", scenario="self_healing")
    (error,) = raised.value.errors()
    assert error["msg"].count(";") == 3
