"""`nxp enrich` as a user runs it: one request, checked, sent, shown without names or values."""

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nxp.cli import run
from tests.acting import Client, enrichment
from tests.landing import Place, place

OWNER = "device/device/#asset_owner"
CITY = "user/user/ad/city"
NAME = "device/device/name"
MARK = "MARK-jane"

Enrich = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Restore what the command changes."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def devices(here: Place) -> list[str]:
    with Client(here.tenant) as client:
        names = [row["device.name"] for row in client.devices()]
    return [name for name in names if names.count(name) == 1]


@pytest.fixture
def enrich(here: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Enrich:
    """Run the command on a request; return exit code, stdout and stderr."""

    def act(body: Any, *words: str) -> tuple[int, str, str]:
        file = tmp_path / "request.json"
        file.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
        code = run(["enrich", str(file), *words])
        told = capsys.readouterr()
        assert MARK not in told.out + told.err
        return code, told.out, told.err

    assert here
    return act


def request(*values: Any, **more: Any) -> dict[str, Any]:
    return {"enrichments": list(values), **more}


def good(name: str) -> dict[str, Any]:
    return enrichment(NAME, name, {OWNER: MARK})


def test_all_acknowledged_is_0(enrich: Enrich, here: Place, devices: list[str]) -> None:
    code, out, _ = enrich(request(*map(good, devices[:3])), "--domain", "cmdb", "--json")
    assert code == 0
    told = json.loads(out)
    assert [each["outcome"] for each in told.pop("entries")] == ["acknowledged"] * 3
    assert told == {
        "domain": "cmdb",
        "objects": 3,
        "acknowledged": 3,
        "rejected": 0,
        "unknown": 0,
        "codes": [],
    }
    assert list(here.tenant.enrichment.values("device", "#asset_owner").values()) == [MARK] * 3
    (received,) = here.tenant.enrichment.received
    assert (received.domain, received.objects) == ("cmdb", 3)


def test_a_whole_request_from_stdin_is_taken(
    here: Place,
    devices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = json.dumps(request(good(devices[0]), domain="cmdb")).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert run(["enrich", "-"]) == 0
    assert "acknowledged  1" in capsys.readouterr().out
    assert here.tenant.enrichment.received[0].domain == "cmdb"


def test_partly_is_7_and_tells_positions(enrich: Enrich, devices: list[str]) -> None:
    body = request(
        good(devices[0]),
        good(f"{MARK}-nobody"),
        enrichment(NAME, devices[1], {"device/device/#no_such_field": "a"}),
    )
    code, out, err = enrich(body, "--domain", "cmdb", "--json")
    told = json.loads(out)
    assert code == 7
    assert [told[name] for name in ("acknowledged", "rejected", "unknown")] == [1, 2, 0]
    positions = {entry["code"]: entry["positions"] for entry in told["codes"]}
    assert positions == {"ENRICH_020": [1], "ENRICH_010": [2]}
    assert [entry["reason"] for entry in told["codes"]] == ["", "device/device/#no_such_field"]
    assert "1 of 3 objects acknowledged, 2 rejected" in err
    # What the tenant says about each object, in its own words.
    assert [entry["outcome"] for entry in told["entries"]] == [
        "acknowledged",
        "rejected",
        "rejected",
    ]
    assert told["entries"][0]["errors"] == []
    assert told["entries"][2] == {
        "position": 2,
        "identified_by": NAME,
        "outcome": "rejected",
        "code": "ENRICH_010",
        "reason": "device/device/#no_such_field",
        "errors": [
            {"code": "ENRICH_010", "message": "There is no field device/device/#no_such_field."}
        ],
    }
    # The list alone does too, in the encoding of another system.
    code, out, err = enrich(json.dumps(body["enrichments"]).encode("utf-16"), "--domain", "cmdb")
    assert code == 7
    assert "1         ENRICH_020: There is no device of this name." in out
    assert "There is no device" not in err


def test_all_refused_is_6(enrich: Enrich) -> None:
    code, out, err = enrich(
        request(good(f"{MARK}-1"), good(f"{MARK}-2")), "--domain", "cmdb", "--json"
    )
    assert (code, json.loads(out)["rejected"]) == (6, 2)
    assert "refuses all 2 objects" in err


def test_a_request_refused_as_a_whole_is_6_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request(good("a"), good("b"), good("c"))))
    with place(tmp_path, enrichment_limit=2) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        assert run(["enrich", str(file), "--domain", "cmdb", "--json"]) == 6
    (entry,) = json.loads(capsys.readouterr().out)["codes"]
    assert entry == {
        "outcome": "rejected",
        "code": "ENRICH_042",
        "reason": "too many objects in one request",
        "objects": 3,
        "positions": [0, 1, 2],
    }


def test_a_permission_that_lacks_is_4_and_an_outage_5(
    enrich: Enrich, here: Place, devices: list[str]
) -> None:
    body = request(good(devices[0]))
    here.tenant.faults.add("403@enrich:1")
    code, out, err = enrich(body, "--domain", "cmdb")
    assert (code, out) == (4, "")
    assert "Enrichment permission" in err
    here.tenant.faults.retry_after = 3600
    here.tenant.faults.add("429-seconds@enrich:1")
    code, _, err = enrich(body, "--domain", "cmdb")
    assert code == 5
    assert len(err.strip().splitlines()) == 1


def with_fields(**fields: Any) -> dict[str, Any]:
    return request(enrichment(NAME, MARK, fields))


BAD: list[tuple[Any, str]] = [
    (b"{", "not JSON"),
    (b"\xff", "not JSON"),
    (b'{"enrichments": [NaN]}', "not JSON"),
    (b"[" * 100_000, "not JSON"),
    ("a", 'a list "enrichments"'),
    ([], 'no list "enrichments"'),
    ([MARK], "enrichments[0] is not an object"),
    ({}, 'no list "enrichments"'),
    (request(), 'no list "enrichments"'),
    (request(MARK), "enrichments[0] is not an object"),
    (request({"fields": []}), "enrichments[0].identification"),
    (request(good("a") | {"identification": good("a")["identification"] * 2}), "identification"),
    (request(enrichment("device/device/ip", MARK, {OWNER: "a"})), "identification"),
    (request(enrichment(NAME, "", {OWNER: "a"})), "identification"),
    (request(enrichment(NAME, MARK)), "enrichments[0].fields is not a list of one"),
    (request({**good(MARK), "fields": [{"value": MARK}]}), ".fields[0] has no name"),
    (
        request(good(MARK), enrichment(NAME, MARK, {MARK: 1})),
        "enrichments[1].fields[0] is not a field",
    ),
    (request(enrichment(NAME, MARK, {CITY: MARK})), "not a field of a device"),
    (request(enrichment(NAME, MARK, {OWNER: 7})), f"fields[0] ({OWNER}): wrong type"),
    (request(enrichment(NAME, MARK, {OWNER: None})), "wrong type"),
    (request(enrichment(NAME, MARK, {OWNER: MARK * 8})), "too long"),
    (request({**good(MARK), "fields": good(MARK)["fields"] * 2}), "is listed twice"),
    (request(enrichment(NAME, "\ud800", {OWNER: "a"})), "half a character"),
    (request(*[good(MARK)] * 10_001), "10,001 objects are more than"),
    (request(*[enrichment(NAME, MARK)] * 9), "and 4 more"),
]


@pytest.mark.parametrize(("body", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_no_request_is_6_and_not_sent(
    enrich: Enrich, here: Place, body: Any, words: str
) -> None:
    code, out, err = enrich(body, "--domain", "cmdb")
    assert (code, out) == (6, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert here.tenant.enrichment.received == []


def test_the_length_of_texts_can_be_set(enrich: Enrich, devices: list[str]) -> None:
    body = request(enrichment(NAME, devices[0], {OWNER: "x" * 65}))
    assert enrich(body, "--domain", "cmdb")[0] == 6
    # Now it is sent, and this tenant refuses it.
    code, out, _ = enrich(body, "--domain", "cmdb", "--max-length", "65")
    assert code == 6
    assert "ENRICH_013" in out


def test_a_domain_is_needed_and_only_one(enrich: Enrich) -> None:
    for body, words in (
        (request(good("a")), ()),
        (request(good("a")), ("--domain", "")),
        (request(good("a"), domain="cmdb"), ("--domain", "hr")),
    ):
        code, _, err = enrich(body, *words)
        assert code == 2
        assert "domain" in err


def test_a_file_that_is_not_there_is_2(
    here: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here
    assert run(["enrich", str(tmp_path / "none.json"), "--domain", "cmdb"]) == 2
    assert "No such file" in capsys.readouterr().err
