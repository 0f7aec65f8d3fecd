"""What an operator sees at a glance, at stable keys: freshness, convergence, reports, progress."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.catalogue import load_datasets
from connectors.ledger import Ledger, open_ledger
from connectors.settings.installation import load_settings
from tasks.runs import overview
from tasks.runs.artifact import ARTIFACT_ROWS, artifact_key, attempted, table_of
from tasks.runs.freshness import Light, freshness_of
from tests.commands import environment, nxp
from tests.landing import CATALOG, NOW, Place, place
from tests.prefect import MARK, begin, end
from tests.syncing import SYNC_NAME, Syncing, syncing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("later", "light"),
    [
        (timedelta(0), Light.GREEN),
        (DAY + 15 * HOUR, Light.GREEN),
        (DAY + 17 * HOUR, Light.AMBER),
        (3 * DAY, Light.RED),
    ],
)
def test_a_dataset_turns_amber_and_red_when_its_landings_stop(
    here: Place, later: timedelta, light: Light
) -> None:
    # With one-day windows and an hour of lag, yesterday's window lands at half past nine.
    here.land(here.plan("crashes"))
    here.land(here.plan("devices"))
    found = fresh(here, NOW + later)
    assert found["crashes"].light is light
    assert found["crashes"].age == later + 9.5 * HOUR
    assert found["crashes"].rows == len(here.landed("crashes"))
    assert found["users"].light is Light.NONE
    if not later:
        assert found["devices"].light is Light.GREEN
        assert found["devices"].age < HOUR


def fresh(made: Place, now: datetime) -> dict[str, Any]:
    ledger = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu")
    try:
        found = freshness_of(load_datasets(CATALOG).values(), ledger, now)
    finally:
        ledger.close()
    return {each.dataset: each for each in found}


def test_what_is_wrong_comes_first_and_a_hundred_rows_are_shown(here: Place) -> None:
    here.land(here.plan("crashes"))
    with open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
        rows = overview.freshness_rows(load_settings(), ledger, NOW + 9 * DAY)
    assert (rows[0]["dataset"], rows[0]["freshness"]) == ("crashes", "red")
    cut = table_of("freshness", "sandbox.eu", [{"n": n} for n in range(250)], "All.")
    assert cut["key"] == "freshness-sandbox-eu"
    assert len(cut["table"]) == ARTIFACT_ROWS
    assert cut["description"] == "All. The first 100 of 250."


def test_keys_are_what_prefect_allows() -> None:
    assert artifact_key("export", "acme.eu", "device_performance") == (
        "export-acme-eu-device-performance"
    )


def artifacts(api: str, key: str) -> list[dict[str, Any]]:
    asked = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
    found: list[dict[str, Any]] = httpx.post(f"{api}/artifacts/filter", json=asked).json()
    return found


def test_exports_show_their_report_progress_and_the_freshness_of_all(
    tmp_path: Path, prefect_server: str
) -> None:
    with place(tmp_path, now=None, days=14, instance="glance") as made:
        env = environment(made, PREFECT_API_URL=prefect_server)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        dates = ("--from", f"{today - 11 * DAY:%Y-%m-%d}", "--to", f"{today:%Y-%m-%d}")
        assert nxp("backfill", "crashes", *dates, env=env).returncode == 0
        tenant = f"glance-{made.tenant.region}"
        (report,) = artifacts(prefect_server, f"export-{tenant}-crashes")
        assert "# crashes: landed" in report["data"]
        (progress,) = artifacts(prefect_server, f"progress-{tenant}-crashes")
        assert progress["data"] == 100
        assert progress["description"].startswith("11 of 11 windows")
        (table,) = artifacts(prefect_server, f"freshness-{tenant}")
        rows = {row["dataset"]: row for row in json.loads(table["data"])}
        assert rows.keys() == load_datasets(CATALOG).keys()
        assert rows["crashes"]["freshness"] == "green"
        assert rows["crashes"]["units"] == 11
        assert rows["users"]["freshness"] == "never landed"
        listed = json.loads(nxp("datasets", "--json", env=env).stdout)
        lights = {row["dataset"]: row["freshness"] for row in listed}
        assert lights == {name: row["freshness"] for name, row in rows.items()}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, now=None, instance="glance-syncs") as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        ready.write([{"uid": uid, "owner": MARK} for uid in ready.uids()])
        yield ready


def test_syncs_show_how_far_they_converge(made: Syncing, prefect_server: str) -> None:
    env = environment(made.place, PREFECT_API_URL=prefect_server)
    ran = end(begin(env, "sync", SYNC_NAME))
    assert ran.returncode == 0, ran.stderr
    (table,) = artifacts(prefect_server, f"convergence-glance-syncs-{made.place.tenant.region}")
    (row,) = json.loads(table["data"])
    devices = len(made.uids())
    assert (row["sync"], row["state"]) == (SYNC_NAME, "applied")
    assert (row["values planned"], row["objects accepted"]) == (devices, devices)
    assert (row["objects refused"], row["objects left"], row["values left"]) == (0, 0, 0)
    assert (row["verified"], row["convergence %"]) == (devices, 100.0)
    assert MARK not in json.dumps(table)


def landed_ledger(url: str) -> Ledger:
    """Return a ledger in which two windows of crashes have landed, one of them by a killed run."""
    ledger = open_ledger(url, "sandbox.eu", lambda: NOW)
    for n, rows in enumerate((2**40, 7)):
        start = NOW.replace(hour=0, minute=0) - (n + 1) * DAY
        unit = f"window {n}"
        with ledger.lease("crashes", unit, start, start + DAY, "run"):
            ledger.mark_landed("crashes", unit, "run", rows, start, 3)
    ledger.begin_run("sync-run", SYNC_NAME, "manual")
    values = {"#cost_center": {"acknowledged": 4, "open": 2}}
    report = {"plan_id": "p", "acknowledged": 4, "rejected": 0, "unknown": 0, "not_sent": 1}
    counts: dict[str, Any] = {"units": 0, "rows_landed": 4, "rows_rejected": 0, "error": None}
    ledger.finish_run("sync-run", "applied", {**counts, **report, "values": values})
    return ledger


def test_the_tables_hold_plain_values_on_every_ledger(ledger_url: str, tmp_path: Path) -> None:
    syncs = {"NXP_HOME": str(tmp_path), "NXP_CATALOG": str(CATALOG)}
    settings = load_settings(syncs)
    with landed_ledger(ledger_url) as ledger:
        fresh_rows = overview.freshness_rows(settings, ledger, NOW)
        sync_rows = overview.convergence_rows(settings, ledger)
        counts = ledger.enriched.counts("none")
    (crashes,) = [row for row in fresh_rows if row["dataset"] == "crashes"]
    assert crashes == {
        "": "🟢",
        "dataset": "crashes",
        "freshness": "green",
        "age": crashes["age"],
        "watermark": "",
        "landed to": "2026-11-20 00:00:00Z",
        "landed at": f"{NOW:%Y-%m-%d %H:%M:%SZ}",
        "units": 2,
        "rows": 2**40 + 7,
        "empty windows": 0,
        "last error": "",
    }
    assert [type(value) for value in (counts.keys, counts.keys_with_value)] == [int] * 2
    for kind, rows in (("freshness", fresh_rows), ("convergence", sync_rows)):
        # As Prefect keeps it.
        made = table_of(kind, "sandbox.eu", rows, "All.")
        assert json.loads(json.dumps(made["table"])) == rows
        assert {type(value) for row in rows for value in row.values()} <= {
            str,
            int,
            float,
            bool,
            type(None),
        }


def test_why_something_could_not_be_shown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise TypeError("Decimal is no JSON\nand more")

    assert attempted("freshness-x", fail) is None
    assert caplog.messages == [
        "freshness-x could not be shown in Prefect: TypeError Decimal is no JSON"
    ]
