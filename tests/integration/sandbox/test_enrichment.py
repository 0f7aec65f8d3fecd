"""The enrichment API over TCP: what is accepted, how the rest is refused, and when values show."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.engine import Engine
from sandbox.options import SandboxOptions
from sandbox.server import running
from tests.acting import Client, enrichment

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATH = "/api/v1/enrichment/data/fields"
TAG = "device/device/configuration_tag"
OWNER = "device/device/#asset_owner"
CITY = "user/user/ad/city"
Serve = Callable[..., Client]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve tenants with the options that a test sets."""
    with ExitStack() as stack:

        def make(**options: Any) -> Client:
            made = SandboxOptions(queries=tmp_path, now=NOW, devices=200, **options)
            tenant = stack.enter_context(running(made))
            return stack.enter_context(Client(tenant))

        yield make


@pytest.fixture
def client(serve: Serve) -> Client:
    return serve()


def codes(answer: httpx.Response) -> list[list[str]]:
    return [[error["code"] for error in each["errors"]] for each in answer.json()["errors"]]


def test_objects_are_known_by_each_of_their_names(client: Client) -> None:
    device, user = client.devices()[0], next(u for u in client.users() if u["user.upn"])
    for name in ("uid", "name"):
        sent = enrichment(f"device/device/{name}", device[f"device.{name}"], {TAG: f"by {name}"})
        answer = client.enrich(sent)
        assert (answer.status_code, answer.json()) == (200, {"status": "success"})
        written = client.tenant.enrichment.values("device", "configuration_tag")
        assert written[device["device.uid"]] == f"by {name}"
    for name in ("uid", "sid", "upn"):
        sent = enrichment(f"user/user/{name}", user[f"user.{name}"], {CITY: f"by {name}"})
        assert client.enrich(sent).status_code == 200
        written = client.tenant.enrichment.values("user", "ad.city")
        assert written == {user["user.uid"]: f"by {name}"}


def test_an_empty_text_clears(client: Client) -> None:
    uid = client.devices()[0]["device.uid"]
    for value in ("gold", ""):
        assert client.enrich(enrichment("device/device/uid", uid, {TAG: value})).status_code == 200
    assert client.tenant.enrichment.values("device", "configuration_tag") == {uid: None}


def test_values_show_after_the_delay(serve: Serve) -> None:
    client = serve(enrichment_delay=0.3)
    uid = client.devices()[0]["device.uid"]
    assert client.enrich(enrichment("device/device/uid", uid, {OWNER: "a"})).status_code == 200
    assert client.tenant.enrichment.values("device", "#asset_owner") == {}
    time.sleep(0.35)
    assert client.tenant.enrichment.values("device", "#asset_owner") == {uid: "a"}


def test_some_refused_is_207_and_the_others_are_written(client: Client) -> None:
    uid = client.devices()[0]["device.uid"]
    answer = client.enrich(
        enrichment("device/device/uid", uid, {OWNER: "a"}),
        enrichment("device/device/name", "no such device", {OWNER: "b"}),
    )
    assert (answer.status_code, answer.json()["status"]) == (207, "partial_success")
    (refused,) = answer.json()["errors"]
    assert refused["identification"] == [{"name": "device/device/name", "value": "no such device"}]
    assert codes(answer) == [["ENRICH_020"]]
    assert client.tenant.enrichment.values("device", "#asset_owner") == {uid: "a"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "ENRICH_001"),
        ({OWNER: None}, "ENRICH_001"),
        ({"device/device/#no_such_field": "a"}, "ENRICH_010"),
        ({"device/device/name": "a"}, "ENRICH_010"),
        ({OWNER: 4711}, "ENRICH_011"),
        ({"device/device/virtualization/last_update": "soon"}, "ENRICH_011"),
        ({"device/device/virtualization/desktop_broker": 99}, "ENRICH_012"),
        ({OWNER: "x" * 65}, "ENRICH_013"),
        ({CITY: "Bern"}, "ENRICH_014"),
    ],
)
def test_all_refused_is_400_and_nothing_is_written(
    client: Client, fields: dict[str, Any], code: str
) -> None:
    uid = client.devices()[0]["device.uid"]
    answer = client.enrich(
        enrichment("device/device/uid", uid, {TAG: "a", **fields} if fields else {})
    )
    assert (answer.status_code, answer.json()["status"]) == (400, "error")
    assert codes(answer) == [[code]]
    assert client.tenant.enrichment.values("device", "configuration_tag") == {}


WHOLE = enrichment("device/device/uid", "any", {TAG: "a"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "ENRICH_002"),
        ({"enrichments": [WHOLE]}, "ENRICH_001"),
        ({"enrichments": [WHOLE], "domain": ""}, "ENRICH_001"),
        ({"enrichments": [], "domain": "test"}, "ENRICH_001"),
        ({"enrichments": {"0": WHOLE}, "domain": "test"}, "ENRICH_002"),
        ({"enrichments": [WHOLE], "domain": 7}, "ENRICH_002"),
        ({"enrichments": [WHOLE, "text"], "domain": "test"}, "ENRICH_002"),
        ({"enrichments": [{"fields": []}], "domain": "test"}, "ENRICH_001"),
        ({"enrichments": [{"identification": [{}]}], "domain": "test"}, "ENRICH_001"),
        ({"enrichments": [enrichment("device/device/ip", "x")], "domain": "test"}, "ENRICH_002"),
        ({"enrichments": [WHOLE] * 4, "domain": "test"}, "ENRICH_042"),
    ],
)
def test_a_request_that_is_none_is_400_in_the_global_form(
    serve: Serve, body: Any, code: str
) -> None:
    answer = serve(enrichment_limit=3).post(PATH, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"message", "code"}
    assert answer.json()["code"] == code


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    for body in (b"", b"{", b"\xff", b'{"domain": "\\ud800"}', b"[" * 100_000):
        answer = client.http.post(PATH, content=body)
        assert (answer.status_code, set(answer.json())) == (400, {"message", "code"})


def test_ten_thousand_objects_are_the_most_in_one_request(client: Client) -> None:
    uid = client.devices()[0]["device.uid"]
    one = enrichment("device/device/uid", uid, {TAG: "a"})
    assert client.enrich(*[one] * 10_000).status_code == 200
    answer = client.enrich(*[one] * 10_001)
    assert (answer.status_code, answer.json()["code"]) == (400, "ENRICH_042")


def test_custom_fields_are_those_that_were_made(serve: Serve) -> None:
    client = serve(custom_fields=(("device", "rack"),))
    uid = client.devices()[0]["device.uid"]

    def write(name: str) -> int:
        return client.enrich(enrichment("device/device/uid", uid, {name: "a"})).status_code

    assert (write("device/device/#rack"), write(OWNER)) == (200, 400)
    assert client.tenant.enrichment.custom_fields("device") == {"#rack"}


def test_unknown_objects_may_be_taken_and_lost(serve: Serve) -> None:
    client = serve(enrichment_takes_unknown=True)
    answer = client.enrich(enrichment("device/device/name", "no such device", {OWNER: "a"}))
    assert answer.status_code == 200
    assert client.tenant.enrichment.values("device", "#asset_owner") == {}


def test_requests_are_remembered_without_their_values(client: Client) -> None:
    uid = client.devices()[0]["device.uid"]
    client.enrich(enrichment("device/device/uid", uid, {OWNER: "Jane"}), domain="cmdb")
    (received,) = client.tenant.enrichment.received
    assert (received.domain, received.objects, received.refused) == ("cmdb", 1, 0)
    assert "Jane" not in repr(received)


@pytest.mark.skipif(
    "overlay" not in inspect.signature(Engine.__init__).parameters,
    reason="queries know of no written values yet",
)
def test_written_values_are_seen_by_queries_and_cleared_ones_are_gone(
    serve: Serve, tmp_path: Path
) -> None:
    client = serve()
    fields = "configuration_tag, virtualization.desktop_broker, #asset_owner"
    (tmp_path / "written.nql").write_text(f"devices | where name == $name | list uid, {fields}")
    device = client.devices()[0]
    name = device["device.name"]

    def seen() -> list[Any]:
        body = {"queryId": "#written", "parameters": {"name": name}}
        rows = client.post("/api/v2/nql/execute", body).json()["data"]
        (row,) = [row for row in rows if row["device.uid"] == device["device.uid"]]
        return list(row.values())[1:]

    values: dict[str, Any] = {
        TAG: "gold",
        "device/device/virtualization/desktop_broker": 4,
        OWNER: "Facilities",
    }
    client.enrich(enrichment("device/device/uid", device["device.uid"], values))
    assert seen() == ["gold", "windows_365", "Facilities"]
    values = {TAG: "", "device/device/virtualization/desktop_broker": 0, OWNER: ""}
    client.enrich(enrichment("device/device/uid", device["device.uid"], values))
    assert [value or None for value in seen()] == [None, None, None]


def test_refusals_of_the_content_can_be_ordered(serve: Serve) -> None:
    faults = ("400@enrich:1", "400-objects@enrich:1", "207@enrich:1")
    client = serve(faults=faults)
    uids = [each["device.uid"] for each in client.devices()[:3]]
    objects = [enrichment("device/device/uid", uid, {OWNER: "a"}) for uid in uids]
    whole, each, some, none = (client.enrich(*objects) for _ in range(4))
    assert (whole.status_code, set(whole.json())) == (400, {"message", "code"})
    assert (each.status_code, each.json()["status"]) == (400, "error")
    assert len(each.json()["errors"]) == 3
    assert (some.status_code, len(some.json()["errors"])) == (207, 1)
    assert none.status_code == 200
    assert [each.refused for each in client.tenant.enrichment.received] == [3, 1, 0]


def test_an_administrator_edits_and_others_have_set_values(serve: Serve) -> None:
    client = serve(edits=2, edits_after=60, others_share=0.5)
    store, uids = client.tenant.enrichment, [each["device.uid"] for each in client.devices()]
    before = store.values("device", "#asset_owner")
    assert 0 < len(before) < len(uids)
    assert set(store.values("device", "configuration_tag")) == set(before)
    for value in ("a", "b"):
        client.enrich(*(enrichment("device/device/uid", uid, {OWNER: value}) for uid in uids))
    assert store.values("device", "#asset_owner") == dict.fromkeys(uids, "b")
    client.tenant.clock.advance(timedelta(seconds=61))
    edited = {
        uid: text for uid, text in store.values("device", "#asset_owner").items() if text != "b"
    }
    assert {each.uid: each.value for each in store.administrator.edited} == edited
    assert len(edited) == 2
