"""The library's datasets of activity land from the sandbox, equal to an independent reading."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.catalogue import DatasetSpecification, load_dataset
from nxp.library import LIBRARY
from sandbox.actions.options import ActingOptions
from sandbox.estate.past_calls import past_calls
from tests.acting import Client
from tests.landing import Place, Use, place

# A Thursday morning, when the test acts, and the next morning, when it lands.
ACTED = datetime(2026, 11, 19, 9, 30, tzinfo=UTC)
DAYS = ("2026-11-18", "2026-11-20")
# Windows of a week, from Thursday to Thursday.
WEEK = ("2026-11-05", "2026-11-12")
WEEKLY = "software_metering"
CAMPAIGN = "campaign_responses"

# Each dataset with a sum that the tenant itself works out of the table, and the landed column.
TOTALS: Mapping[str, tuple[str, str, str]] = {
    "web_page_views": ("web.page_views", "number_of_resources", "number_of_resources"),
    "web_errors": ("web.errors", "number_of_errors", "number_of_errors"),
    "web_transactions": ("web.transactions", "duration", "duration_seconds"),
    "collaboration_sessions": ("collaboration.sessions", "audio.rtt", "audio_round_trip_seconds"),
    "connectivity_events": ("connectivity.events", "wifi.signal_strength", "wifi_signal_dbm"),
    "connection_events": ("connection.events", "incoming_traffic", "incoming_bytes"),
    "alerts": ("alert.alerts", "duration", "duration_seconds"),
    "alert_impacts": ("alert.impacts", "number_of_impacts", "number_of_impacts"),
    "audit_logs": ("platform.audit_logs", "code", "code"),
    "custom_trend": (
        "custom_trend.#device_health.snapshots", "memory_used_ratio", "memory_used_ratio",
    ),
    WEEKLY: ("software_metering.events", "usage_duration", "usage_seconds"),
}  # fmt: skip
# Those of actions, with the kind of request and the column of its state.
ACTIONS = (
    ("remote_action_executions", "remote_action", "status"),
    ("workflow_executions", "workflow", "status"),
    (CAMPAIGN, "campaign", "state"),
)
DATASETS = (*TOTALS, *(name for name, *_ in ACTIONS), "nql_api_logs")


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A small tenant in which, a day ago, one of each kind of action was requested."""
    acting = ActingOptions(failure_share=0.3, offline_share=0.2, execution_time=60)
    options = {"devices": 20, "days": 3, "now": ACTED, "queries": LIBRARY / "queries"}
    options |= {"acting": acting}
    with place(tmp_path_factory.mktemp("activity"), **options) as made:
        with Client(made.tenant) as client:
            devices = [device["device.collector.uid"] for device in client.devices()]
            people = [user["user.sid"] for user in client.users() if user["user.upn"]]
            for path, body in (
                ("act/execute", {"remoteActionId": "#get_disk_usage", "devices": devices}),
                ("workflows/execute", {"workflowId": "#vpn_repair", "devices": devices,
                                       "users": people, "params": {}}),
                ("euf/campaign/trigger", {"campaignNqlId": "#device_feedback", "userSid": people,
                                          "expiresInMinutes": 60}),
            ):  # fmt: skip
                client.post(f"/api/v1/{path}", body).raise_for_status()
        made.tenant.clock.advance(timedelta(days=1))
        yield Place(made.tenant, made.folder, {**made.environment, "NXP_CATALOG": str(LIBRARY)})


@pytest.fixture(scope="module")
def client(acted: Place) -> Iterator[Client]:
    """A plain client, whose token is of the day on which the tests land."""
    with Client(acted.tenant) as made:
        yield made


def dates(dataset: str) -> tuple[str, str] | None:
    """Return the period to land, or None for a snapshot."""
    return {WEEKLY: WEEK, CAMPAIGN: None}.get(dataset, DAYS)


def landed(here: Place, dataset: str) -> list[dict[str, Any]]:
    """Land the dataset as a run does, once in this module, and return its rows."""
    if not len(here.landed(dataset)):
        period = dates(dataset)
        asked: dict[str, Any] = {}
        if period:
            asked = {"window_from": period[0], "window_to": period[1]}
        here.land(here.plan(dataset, **asked))
    return here.landed(dataset).to_dicts()


def a_list(text: str) -> list[str]:
    """Read `[a, b]`, or the JSON that a tenant writes where an item has a comma."""
    if text.startswith('["'):
        return list(json.loads(text))
    return text.strip("[]").split(", ") if text != "[]" else []


def instant(text: str) -> datetime:
    """Read a date-time of a tenant in UTC."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


READ: Mapping[str, Callable[[str], Any]] = {
    "string": str, "json": str, "int": int, "bytes": int, "float": float, "duration": float,
    "bool": lambda text: {"true": True, "false": False}[text], "datetime": instant, "list": a_list,
}  # fmt: skip


def exported(client: Client, specification: DatasetSpecification) -> list[dict[str, Any]]:
    """Export with plain HTTP and read the file with the csv module, each value by its type."""
    period = dates(specification.dataset)
    bounds = dict(zip(("from", "to"), (f"{day} 00:00:00" for day in period or ()), strict=False))
    export = client.export(specification.query_id, **bounds)
    url = client.get(f"/api/v1/nql/status/{export}").json()["resultsFileUrl"]
    # Without certificates, which take longer to load than the file.
    text = httpx.get(url, verify=False, trust_env=False).text  # noqa: S501
    rows = csv.DictReader(io.StringIO(text, newline=""))
    read: list[dict[str, Any]] = [
        {
            column.name: READ[column.type](row[column.nql]) if row[column.nql] else None
            for column in specification.columns
        }
        for row in rows
    ]
    if specification.window is None or period is None:
        return read
    end = datetime.fromisoformat(period[1]).replace(tzinfo=UTC)
    return [row for row in read if row[specification.window.column] < end]


def comparable(rows: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """Return the rows as texts; the csv module reads an empty text like a missing value."""
    return Counter(tuple(map(written, row.values())) for row in rows)


def written(value: object) -> str:
    """Return a value as text, a date-time in UTC and to the second, as the tenant writes it."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_lands_is_what_another_client_reads(
    acted: Place, use: Use, client: Client, dataset: str
) -> None:
    use(acted)
    specification = load_dataset(LIBRARY, dataset)
    rows = landed(acted, dataset)
    assert rows
    assert comparable(rows) == comparable(exported(client, specification))
    keys = specification.key_columns
    assert not keys or len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    sometimes = {name for row in rows for name, value in row.items() if value is not None}
    assert set(rows[0]) - sometimes <= {"reason", "status_details", "state_details"}


@pytest.mark.parametrize("dataset", TOTALS)
def test_sums_are_those_of_the_tenants_own_table(acted: Place, use: Use, dataset: str) -> None:
    use(acted)
    table, field, column = TOTALS[dataset]
    first, last = dates(dataset) or DAYS
    before = datetime.fromisoformat(last) - timedelta(seconds=1)
    text = f"{table} from {first} 00:00:00 to {before} | summarize n = count(), x = {field}.sum()"
    engine = acted.tenant.engine
    (result,) = engine.rows(engine.prepare(text, {}, acted.tenant.clock.now()))
    rows = landed(acted, dataset)
    assert len(rows) == result["n"].item()
    assert sum(row[column] or 0 for row in rows) == pytest.approx(result["x"].item())


def test_executions_and_responses_are_those_that_were_asked_for(acted: Place, use: Use) -> None:
    use(acted)
    requests = acted.tenant.actions.requests
    for dataset, kind, status in ACTIONS:
        rows = landed(acted, dataset)
        asked = [each for each in requests if each.kind == kind]
        targets = sum(len(each.executions) for each in asked)
        assert len(rows) == targets > 10
        assert {row["request_id"] for row in rows} == {each.id for each in asked}
        assert {row[f"{kind}_nql_id"] for row in rows} == {each.nql_id for each in asked}
        assert len({row[status] for row in rows}) > 1
    for row in landed(acted, "remote_action_executions"):
        outputs = {"FreeSpace", "UsedShare"} if row["status"] == "success" else set()
        assert set(json.loads(row["outputs"] or "{}")) == outputs
    for row in landed(acted, CAMPAIGN):
        assert (row["answers"] is not None) == (row["state"] == "answered")


def test_the_log_has_the_runs_of_other_clients_(acted: Place, use: Use) -> None:
    use(acted)
    options = acted.tenant.options
    begin = datetime(2026, 11, 18, tzinfo=UTC)
    earlier = [
        (entry.query_id, entry.rows)
        for entry in past_calls(options.seed, options.days, ACTED)
        if entry.time >= begin
    ]
    rows = landed(acted, "nql_api_logs")
    assert Counter(earlier) == Counter((row["query_id"], row["number_of_rows"]) for row in rows)
    assert len(earlier) > 5


def test_each_impact_joins_its_alert(acted: Place, use: Use) -> None:
    use(acted)
    keys = ("monitor_nql_id", "raised_at")
    alerts = {tuple(row[key] for key in keys): row for row in landed(acted, "alerts")}
    for row in landed(acted, "alert_impacts"):
        assert alerts[tuple(row[key] for key in keys)]["status"] == row["status"]
