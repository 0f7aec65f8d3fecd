"""Requests that act: every limit and pattern; all problems in one error without people's data."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import UsageError
from connectors.nexthink.acting.intents import new_intent
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    EventRequest,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
    intent_reason,
    nql_id,
)
from tests.actions import ledgers_in

UUID = "11111111-2222-3333-4444-{:012x}"
DEVICE = UUID.format(1)
LETTERS = "abcdef00-2222-3333-4444-555555555555"
SID = "S-1-5-21-111-222-333-4444"
MARK = "MARK-jane"

Make = Callable[..., Any]


def remote_action(action: Any = "#a", devices: Any = (DEVICE,), **more: Any) -> RemoteActionRequest:
    return RemoteActionRequest(action, devices, **more)


def workflow(workflow: Any = "#w", **more: Any) -> WorkflowRequest:
    return WorkflowRequest(workflow, **more)


def by_ids(workflow: Any = "#w", **more: Any) -> WorkflowIdsRequest:
    return WorkflowIdsRequest(workflow, **more)


def event(one: Any = DEVICE, other: Any = DEVICE, **more: Any) -> EventRequest:
    return EventRequest(one, other, **more)


def campaign(campaign: Any = "#c", sids: Any = (SID,), **more: Any) -> CampaignRequest:
    return CampaignRequest(campaign, sids, **more)


def devices(count: int) -> list[str]:
    return [UUID.format(each) for each in range(count)]


def sids(count: int) -> list[str]:
    return [f"S-1-5-{each}" for each in range(count)]


GOOD: list[tuple[Make, dict[str, Any]]] = [
    (remote_action, {"devices": devices(10_000)}),
    (remote_action, {"devices": (DEVICE.upper(),)}),
    (remote_action, {"expires_in_minutes": 60}),
    (remote_action, {"expires_in_minutes": 10_080}),
    (remote_action, {"reason": "r" * 500}),
    (remote_action, {"action": "#get_service_information_1"}),
    (remote_action, {"parameters": {"A": ""}}),
    (workflow, {}),
    (workflow, {"devices": devices(10_000), "users": sids(10_000)}),
    (workflow, {"users": ["0", "S-1-5", "S-1-2-3-4-5-6-7-8-9-10"]}),
    # Two people on one device: nobody is acted on twice.
    (workflow, {"devices": [DEVICE, DEVICE], "users": sids(2)}),
    (workflow, {"source": "service desk"}),
    (by_ids, {}),
    (by_ids, {"devices": [DeviceIds(name=f"pc-{each}") for each in range(10_000)]}),
    (by_ids, {"devices": [DeviceIds("pc", DEVICE, DEVICE)], "users": [UserIds(SID, "a.b@c.de")]}),
    (event, {"parameters": {"A": "b"}}),
    (campaign, {"sids": sids(10_000)}),
    (campaign, {"expires_in_minutes": 1}),
    (campaign, {"expires_in_minutes": 525_600}),
    (campaign, {"parameters": {f"p{each}": "" for each in range(30)}}),
]
BAD: list[tuple[Make, dict[str, Any], str]] = [
    (remote_action, {"action": "a"}, "the id of a remote action is not #"),
    (remote_action, {"action": "#"}, "id of a remote action"),
    (remote_action, {"action": f"#{MARK}@example.com"}, "id of a remote action"),
    (remote_action, {"action": "#a\n"}, "id of a remote action"),
    (remote_action, {"action": "#" + "a" * 255}, "id of a remote action"),
    (remote_action, {"devices": []}, "there are no devices"),
    (remote_action, {"devices": devices(10_001)}, "10,001 devices are more than 10,000"),
    (remote_action, {"devices": [DEVICE, MARK]}, "devices[1] is not a collector id"),
    (remote_action, {"devices": [DEVICE + "\n"]}, "devices[0] is not a collector id"),
    (remote_action, {"devices": [7]}, "devices[0] is not a collector id"),
    (
        remote_action,
        {"devices": [LETTERS, LETTERS.upper()]},
        "devices[1] is listed twice",
    ),
    (remote_action, {"expires_in_minutes": 59}, "59 minutes is not within 60 to 10,080"),
    (remote_action, {"expires_in_minutes": 10_081}, "10081 minutes"),
    (remote_action, {"reason": "r" * 501}, "the reason has 501 characters"),
    (remote_action, {"parameters": {"A": 7}}, "parameter A is not text"),
    (remote_action, {"parameters": {"": MARK}}, "a parameter has no name"),
    (workflow, {"workflow": "w"}, "the id of a workflow"),
    (workflow, {"devices": devices(10_001)}, "10,001 devices"),
    (workflow, {"users": sids(10_001)}, "10,001 users"),
    (workflow, {"users": [SID, MARK]}, "users[1] is not a SID"),
    (workflow, {"users": [SID + "\n"]}, "users[0] is not a SID"),
    (workflow, {"users": ["S-1"]}, "users[0] is not a SID"),
    (workflow, {"users": ["S-1-2-3-4-5-6-7-8-9-10-11"]}, "users[0] is not a SID"),
    (workflow, {"users": ["S-1-\u0665"]}, "users[0] is not a SID"),
    (workflow, {"users": [SID, SID]}, "users[1] is listed twice"),
    (workflow, {"devices": [MARK]}, "devices[0] is not a collector id"),
    (workflow, {"devices": [DEVICE, DEVICE]}, "devices[1] is listed twice"),
    (workflow, {"source": ""}, "the source"),
    (workflow, {"source": "a\r\nb: c"}, "the source"),
    (workflow, {"source": "Zürich"}, "the source"),
    (by_ids, {"devices": [DeviceIds()]}, "devices[0] has no name"),
    (by_ids, {"devices": [DeviceIds(name="")]}, "devices[0] has no name"),
    (by_ids, {"devices": [DeviceIds(uid=MARK)]}, "devices[0] is not a valid uid"),
    (
        by_ids,
        {"devices": [DeviceIds(collector_uid=MARK)]},
        "devices[0] is not a valid collectorUid",
    ),
    (by_ids, {"users": [UserIds(sid=MARK)]}, "users[0] is not a valid sid"),
    (by_ids, {"users": [UserIds(upn=MARK)]}, "users[0] is not a valid upn"),
    (by_ids, {"users": [UserIds(upn=f"{MARK}@ex.com"), UserIds(upn=f"{MARK}@EX.com")]}, "twice"),
    (by_ids, {"users": [UserIds(uid=MARK)]}, "users[0] is not a valid uid"),
    (by_ids, {"devices": [DeviceIds(name=str(each)) for each in range(10_001)]}, "10,001 devices"),
    (event, {"one": MARK}, "workflow[0] is not a UUID"),
    (event, {"other": MARK}, "execution[0] is not a UUID"),
    (event, {"parameters": {"A": ""}}, "parameter A is empty"),
    (campaign, {"campaign": SID}, "the id of a campaign"),
    (campaign, {"sids": []}, "there are no users"),
    (campaign, {"sids": sids(10_001)}, "10,001 users"),
    (campaign, {"sids": [f"{MARK}@example.com"]}, "users[0] is not a SID"),
    (campaign, {"sids": [SID, SID]}, "users[1] is listed twice"),
    (campaign, {"expires_in_minutes": 0}, "0 minutes is not within 1 to 525,600"),
    (campaign, {"expires_in_minutes": 525_601}, "525601 minutes"),
    (campaign, {"parameters": {f"p{each}": "" for each in range(31)}}, "31 parameters"),
]


@pytest.mark.parametrize(("make", "values"), GOOD)
def test_what_is_within_the_limits_is_made(make: Make, values: dict[str, Any]) -> None:
    request = make(**values)
    assert request.body()
    assert MARK not in repr(request)
    assert SID not in repr(request)


@pytest.mark.parametrize(("make", "values", "words"), BAD)
def test_what_is_not_is_told_by_position(make: Make, values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(**values)
    told = str(caught.value)
    assert words in told
    assert "nothing was sent" in told
    assert len(told.splitlines()) == 1
    assert MARK not in told
    assert SID not in told


def test_all_problems_are_told_at_once_up_to_a_few() -> None:
    with pytest.raises(UsageError) as caught:
        campaign("c", [MARK] * 9, expires_in_minutes=0)
    told = str(caught.value)
    assert "the id of a campaign" in told
    assert told.count("users[") == 4
    # 9 that do not match, 8 repeats, the id and the expiry: 19 in total.
    assert "and 14 more" in told


def test_bodies_are_in_the_vendors_shape_and_hold_no_null() -> None:
    assert remote_action().body() == {
        "remoteActionId": "#a",
        "devices": [DEVICE],
        "params": {},
    }
    full = remote_action(
        parameters={"A": "b"}, expires_in_minutes=60, source="s", reason="r", reference="INC-1"
    )
    assert full.body() == {
        "remoteActionId": "#a",
        "devices": [DEVICE],
        "params": {"A": "b"},
        "expiresInMinutes": 60,
        "triggerInfo": {"externalSource": "s", "reason": "r", "externalReference": "INC-1"},
    }
    # Always both lists.
    assert workflow().body() == {"workflowId": "#w", "devices": [], "users": [], "params": {}}
    named = by_ids(devices=[DeviceIds(name="pc")], users=[UserIds(sid=SID)])
    assert named.body() == {
        "workflowId": "#w",
        "devices": [{"name": "pc"}],
        "users": [{"sid": SID}],
        "params": {},
    }
    assert campaign().body() == {
        "campaignNqlId": "#c",
        "userSid": [SID],
        "expiresInMinutes": 1440,
        "parameters": {},
    }


def test_an_id_is_taken_with_and_without_its_hash() -> None:
    assert nql_id("get_disk_usage") == nql_id("#get_disk_usage") == "#get_disk_usage"
    for wrong in ("", "#", "##a", SID, f"{MARK}@example.com", "a b"):
        with pytest.raises(UsageError) as caught:
            nql_id(wrong)
        assert MARK not in str(caught.value)


def test_the_intent_travels_at_the_beginning_of_the_reason() -> None:
    assert intent_reason(DEVICE) == f"nxp:{DEVICE}"
    assert intent_reason(DEVICE, "Ticket 7") == f"nxp:{DEVICE} Ticket 7"
    assert len(intent_reason(DEVICE, "r" * 459)) == 500
    with pytest.raises(UsageError, match="has 460 characters, but only 459 fit"):
        intent_reason(DEVICE, "r" * 460)


def test_an_intent_names_its_ledger_and_earlier_ones_name_none() -> None:
    drawn = {new_intent("0a1b2c3d4e5f") for _ in range(50)}
    assert len(drawn) == 50
    assert ledgers_in(*(intent_reason(each, "Ticket 7") for each in drawn)) == {"0a1b2c3d4e5f"}
    assert ledgers_in(intent_reason(min(drawn).upper())) == {"0a1b2c3d4e5f"}
    others = (None, "", min(drawn), intent_reason(str(uuid.uuid4())), f"see nxp:{min(drawn)}")
    assert ledgers_in(*others) == {None}
