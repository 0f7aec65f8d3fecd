"""Pushing to the stand-in tenant: whatever goes wrong, what it holds is what was acknowledged."""

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.errors import AccessError, LimitReachedError, UnavailableError
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.encoding import ObjectLayout, encode
from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant
from tasks.sync.halving import NOT_SENT
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.push import NO_ANSWER, Pushed, PushLimits, push_batches
from tests import vendor
from tests.acting import Client
from tests.sampling import sampled

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UID = "device/device/uid"
FIELDS = {
    "owner": "device/device/#asset_owner",
    "broker": "device/device/virtualization/desktop_broker",
    "updated": "device/device/virtualization/last_update",
}
LAYOUT = ObjectLayout(UID, "uid", FIELDS, "cmdb")
SCHEMA: dict[str, Any] = {
    "uid": pl.String,
    "owner": pl.String,
    "broker": pl.Int64,
    "updated": pl.Datetime("ms", "UTC"),
}
MARK = "MARK-jane"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Serve one tenant for all tests; each leaves it without faults."""
    queries = tmp_path_factory.mktemp("queries")
    options = SandboxOptions(queries=queries, now=NOW, devices=300, fault_retry_after=1.0)
    with running(options) as serving:
        yield serving


@pytest.fixture
def calm(tenant: Tenant) -> Iterator[Tenant]:
    """Yield the tenant without faults, and remove those that a test adds."""
    tenant.faults.clear()
    yield tenant
    tenant.faults.clear()


@pytest.fixture(scope="module")
def uids(tenant: Tenant) -> list[str]:
    with Client(tenant) as client:
        return [row["device.uid"] for row in client.devices()]


class Named:
    """Return what the client needs to know about the tenant."""

    name = "sandbox.eu"
    scope = "service:integration"
    time_zone = "UTC"

    def __init__(self, tenant: Tenant) -> None:
        self.api_url, self.login_url = tenant.api_url, tenant.login_url
        self.client_id, self.client_secret = tenant.client_id, SecretStr(tenant.client_secret)


def client_of(tenant: Tenant) -> NexthinkClient:
    """Return a client that waits as it should by the tenant's clock, but only briefly by ours."""
    return NexthinkClient(
        Named(tenant), clock=tenant.clock.now, sleep=lambda seconds: time.sleep(seconds / 1000)
    )


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def push(tenant: Tenant, rows: list[dict[str, Any]], **limits: Any) -> tuple[Pushed, pl.DataFrame]:
    saved: list[pl.DataFrame] = []
    with client_of(tenant) as client:
        result = push_batches(
            client.enrichment.push,
            frame(rows),
            LAYOUT,
            saved.append,
            limits=PushLimits(**({"objects": 20, "concurrency": 2} | limits)),
            sleep=lambda _: None,
        )
    outcomes = pl.concat(saved) if saved else pl.DataFrame()
    assert sorted(outcomes["value"]) == sorted(row["uid"] for row in rows)
    return result, outcomes


def assert_held(tenant: Tenant, outcomes: pl.DataFrame, rows: list[dict[str, Any]]) -> None:
    """Compare every value that was sent with what the tenant holds."""
    held = tenant.enrichment.values("device", "#asset_owner")
    outcome_of = dict(outcomes.select("value", "outcome").iter_rows())
    for row in rows:
        is_held = held.get(row["uid"]) == row["owner"]
        if outcome_of[row["uid"]] != "unknown":
            assert is_held == (outcome_of[row["uid"]] == "acknowledged")


PASSING = [
    ["503@enrich:3"],
    ["500@enrich:3"],
    ["reset@enrich:3"],
    ["cut@enrich:3"],
    ["timeout-after@enrich:3"],
    ["429-seconds@enrich:2", "429-date@enrich:2", "429-iso@enrich:2"],
    ["401@enrich:1"],
    ["503@token:2", "reset@token:1"],
    ["503@enrich:25%", "reset@enrich:10%", "cut@enrich:10%", "timeout-after@enrich:10%"],
]


@pytest.mark.parametrize("faults", PASSING, ids=lambda faults: faults[0])
def test_passing_faults_cost_no_object(
    calm: Tenant, uids: list[str], faults: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rows = [{"uid": uid, "owner": f"{MARK} {faults[0][:40]}", "broker": 4} for uid in uids[:200]]
    rows += [{"uid": f"{MARK}-{number}", "owner": "nobody"} for number in range(3)]
    calm.faults.add(*faults)
    result, outcomes = push(calm, rows)
    assert result.stopped is None
    assert result.outcomes == {"acknowledged": 200, "rejected": 3}
    assert result.codes == {"ENRICH_020": 3}
    assert calm.faults.struck.total() > 0
    assert_held(calm, outcomes, rows)
    # Neither an identification nor a value is in any log, ours or the libraries'.
    ours = [
        record.getMessage() for record in caplog.records if not record.name.startswith("sandbox")
    ]
    assert MARK not in "".join(ours)
    assert not any(uid in line for uid in uids[:200] for line in ours)


def test_a_token_that_dies_under_way_is_renewed(tmp_path: Path) -> None:
    options = SandboxOptions(queries=tmp_path, now=NOW, devices=60, token_ttl=1.0)
    with running(options) as tenant, Client(tenant) as client:
        rows = [{"uid": row["device.uid"], "owner": "a"} for row in client.devices()]
        with client_of(tenant) as ours:

            def slowly(body: bytes) -> Any:
                time.sleep(0.12)
                return ours.enrichment.push(body)

            limits = PushLimits(objects=5, concurrency=1)
            result = push_batches(slowly, frame(rows), LAYOUT, lambda _: None, limits=limits)
    assert result.outcomes == {"acknowledged": len(rows)}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("403@enrich", AccessError, "HTTP_403"),
        ("401@enrich", AccessError, "HTTP_401"),
        ("503@enrich", UnavailableError, NO_ANSWER),
        ("429-seconds@enrich", LimitReachedError, "HTTP_429"),
    ],
)
def test_lasting_faults_stop_the_run_and_leave_the_rest_unknown(
    calm: Tenant, uids: list[str], fault: str, kind: type[Exception], code: str
) -> None:
    rows = [{"uid": uid, "owner": fault} for uid in uids]
    calm.faults.add(fault)
    result, outcomes = push(calm, rows, concurrency=1)
    assert type(result.stopped) is kind
    assert set(outcomes["code"]) == {code, NOT_SENT}
    assert fault not in calm.enrichment.values("device", "#asset_owner").values()


def test_a_limit_of_an_hour_is_not_waited_for(tmp_path: Path) -> None:
    options = SandboxOptions(queries=tmp_path, now=NOW, devices=60, fault_retry_after=3600.0)
    with running(options) as tenant, Client(tenant) as client:
        rows = [{"uid": row["device.uid"], "owner": "a"} for row in client.devices()]
        tenant.faults.add("429-date@enrich:1")
        result, _ = push(tenant, rows, concurrency=1)
    assert isinstance(result.stopped, LimitReachedError)
    assert result.stopped.not_before is not None
    assert (result.stopped.not_before - NOW).total_seconds() > 3500
    assert result.outcomes == {"unknown": len(rows)}


def test_a_tenant_of_the_older_limit_takes_halves(tmp_path: Path) -> None:
    options = SandboxOptions(queries=tmp_path, now=NOW, devices=100, enrichment_limit=30)
    with running(options) as tenant, Client(tenant) as client:
        rows = [{"uid": row["device.uid"], "owner": "a"} for row in client.devices()]
        result, outcomes = push(tenant, rows, objects=100)
        assert result.outcomes == {"acknowledged": len(rows)}
        assert_held(tenant, outcomes, rows)
        assert max(received.objects for received in tenant.enrichment.received) <= 30


def test_values_of_every_kind_arrive_and_are_cleared(calm: Tenant, uids: list[str]) -> None:
    awkward = 'a "quoted" \\ back\nslash\t\x01 é 😀'
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    push(calm, [{"uid": uids[0], "owner": awkward, "broker": 4, "updated": moment}])

    def held(path: str) -> Any:
        return calm.enrichment.values("device", path)[uids[0]]

    paths = ["#asset_owner", "virtualization.desktop_broker", "virtualization.last_update"]
    values = [held(path) for path in paths]
    assert values == [awkward, "windows_365", moment]
    push(calm, [{"uid": uids[0], "owner": "", "broker": 0}])
    assert (held("#asset_owner"), held("virtualization.desktop_broker")) == (None, None)
    assert held("virtualization.last_update") == moment


@pytest.mark.skipif(not vendor.is_here(), reason=vendor.ABSENT)
def test_what_is_sent_is_what_the_vendor_specifies(uids: list[str]) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [{"uid": uid, "owner": "a", "broker": 0, "updated": moment} for uid in uids[:3]]
    body = json.loads(encode(frame(rows), LAYOUT))
    vendor.judge_request("enrichment", "post", "/api/v1/enrichment/data/fields", body)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.integers(0, 59),
            "is_known": st.booleans() | st.just(True),
            "is_good": st.booleans() | st.just(True),
        }
    ),
    unique_by=lambda row: row["number"],
    min_size=1,
)
FAULTS = st.lists(
    st.builds(
        "{}@enrich:{}".format,
        st.sampled_from(
            ["503", "500", "reset", "cut", "timeout-after", "429-seconds", "401", "403"]
        ),
        st.sampled_from(["1", "2", "7", "20%", "50%"]),
    ),
    max_size=3,
)


@settings(max_examples=sampled(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=ROWS, faults=FAULTS, size=st.integers(3, 30), concurrency=st.integers(1, 3))
def test_the_tenant_holds_what_was_acknowledged(
    calm: Tenant,
    uids: list[str],
    chosen: list[dict[str, Any]],
    faults: list[str],
    size: int,
    concurrency: int,
) -> None:
    calm.faults.clear()
    # Each example has values of its own, so that none of an earlier one is mistaken for them.
    mark = f"run {time.monotonic_ns()}"
    rows = [
        {
            "uid": uids[row["number"]] if row["is_known"] else f"nobody {row['number']}",
            "owner": mark if row["is_good"] else mark + "x" * 64,
        }
        for row in chosen
    ]
    struck_before = calm.faults.struck.total()
    calm.faults.add(*faults)
    result, outcomes = push(calm, rows, objects=size, concurrency=concurrency)
    bad = sum(not (row["is_known"] and row["is_good"]) for row in chosen)
    assert_held(calm, outcomes, rows)
    if result.stopped or result.outcomes[ObjectOutcome.UNKNOWN]:
        # Only faults can leave an object without an outcome.
        assert calm.faults.struck.total() > struck_before
    else:
        assert result.outcomes == Counter(acknowledged=len(rows) - bad, rejected=bad)
