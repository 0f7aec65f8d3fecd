"""`nxp deploy` and `nxp doctor` on a real Prefect server with a credential, and with a worker."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from sqlalchemy import create_engine, text

from connectors.clock import utc_now
from connectors.ledger import HEAD
from nxp.doctor.clock import look_at_clock
from nxp.doctor.finding import Level
from tests.answers import validated
from tests.commands import Result, environment, nxp
from tests.landing import CATALOG, Place, place
from tests.webhook import Webhook, listening, until

pytestmark = pytest.mark.prefect

AUTH = "operator:a-secret-of-the-test"
POOL = "nexthink"
# Shipped switched off.
OFF = ("nxp-sync-after-devices", "nxp-self-help-on-event")


class Patient(httpx.HTTPTransport):
    """Repeats a request if the server is busy, as Prefect's own client does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(20):
            response = super().handle_request(request)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            response.close()
            time.sleep(0.5)
        return response


@dataclass
class Site:
    """A server, the files deployed to it, and the webhook it sends alerts to."""

    place: Place
    api: httpx.Client
    webhook: Webhook
    catalog: Path
    env: dict[str, str] = field(repr=False)

    def deploy(self, *words: str, **env: str) -> list[dict[str, Any]]:
        """Deploy, and return what was done."""
        done = nxp("deploy", "--json", *words, env=self.env | env)
        assert done.returncode == 0, done.stderr
        assert AUTH not in done.stdout + done.stderr
        changes: list[dict[str, Any]] = validated("deploy", done.stdout)
        return changes

    def changed(self, *words: str, **env: str) -> set[tuple[str, str]]:
        """Deploy, and return what was changed, as verb and name."""
        changes = self.deploy(*words, **env)
        return {(each["verb"], each["name"]) for each in changes if each["verb"] != "left"}

    def doctor(self, **env: str) -> tuple[Result, list[dict[str, Any]]]:
        """Run doctor."""
        looked = nxp("doctor", "--json", env=self.env | env)
        assert "Traceback" not in looked.stderr
        return looked, validated("doctor", looked.stdout)

    def ask(self, path: str, **body: Any) -> Any:
        """Send the server a request."""
        answer = self.api.post(path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def patch(self, path: str, **body: Any) -> None:
        """Change something on the server by hand."""
        answer = self.api.patch(path, json=body)
        assert answer.is_success, answer.text

    def deployment(self, name: str) -> dict[str, Any]:
        """Return a deployment from the server."""
        found: dict[str, Any] = self.api.get(f"deployments/name/{name}").json()
        return found

    def state(self, run: str) -> str:
        """Return a flow run's state."""
        return str(self.api.get(f"flow_runs/{run}").json()["state_name"])


def problems(findings: list[dict[str, Any]]) -> dict[str, str]:
    """Return the level of each finding that is not ok, by its text."""
    return {each["what"]: each["level"] for each in findings if each["level"] != "ok"}


def level_of(found: dict[str, str], *parts: str) -> str:
    """Return the level of the one finding whose text contains these words."""
    (level,) = [level for what, level in found.items() if all(part in what for part in parts)]
    return level


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a server with authentication, and a tenant; alerts come quickly here."""
    folder = tmp_path_factory.mktemp("deploy")
    catalog = folder / "catalog"
    shutil.copytree(CATALOG, catalog)
    automations = catalog / "automations.yaml"
    quick = automations.read_text().replace("within: 900", "within: 10")
    quick = quick.replace("within: 600", "within: 10")
    automations.write_text(quick)
    devices = catalog / "datasets" / "devices.yaml"
    devices.write_text(f"{devices.read_text()}stale_after: 10s\n")
    with place(folder, now=datetime.now(UTC)) as made, listening() as webhook:
        env = environment(
            made,
            NXP_CATALOG=str(catalog),
            NXP_ALERT_URL=webhook.url,
            PREFECT_SERVER_API_AUTH_STRING=AUTH,
            PREFECT_API_AUTH_STRING=AUTH,
        )
        started = nxp("server", "start", env=env)
        assert started.returncode == 0, started.stderr
        try:
            url = started.stdout.strip()
            with httpx.Client(
                base_url=url, auth=httpx.BasicAuth(*AUTH.split(":")), transport=Patient()
            ) as api:
                yield Site(made, api, webhook, catalog, env | {"PREFECT_API_URL": url})
        finally:
            assert nxp("server", "stop", env=env).returncode == 0


@contextmanager
def worker(site: Site) -> Iterator[None]:
    """Run a worker; the block starts once the server knows the worker."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--name", "test", "--type", "process"]
    env = site.env | {
        "PREFECT_HOME": str(site.place.folder / "worker"),
        "PYTHONPATH": str(Path.cwd()),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with (site.place.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            until(lambda: site.ask(f"work_pools/{POOL}/workers/filter"))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def test_a_first_deploy_creates_all_and_a_second_changes_nothing(site: Site) -> None:
    _, findings = site.doctor()
    failed = [each for each in findings if each["level"] == "fail" and each["check"] != "freshness"]
    assert [each["what"].split(":")[0] for each in failed] == ["nothing is deployed yet"]
    planned = site.deploy("--dry-run")
    assert {each["verb"] for each in planned} == {"created"}
    assert site.ask("deployments/filter") == []
    created = site.deploy()
    assert [each["name"] for each in created] == [each["name"] for each in planned]
    names = {
        each["name"]
        for each in yaml.safe_load((site.catalog / "prefect.yaml").read_text())["deployments"]
    }
    of = {each["name"]: each["datasets"] for each in created if each["datasets"]}
    assert of["nql-export/inventory-daily"] == ["devices", "users"]
    on_server = {each["name"] for each in site.ask("deployments/filter")}
    assert on_server == names | {name.partition("/")[2] for name in of}
    assert site.changed() == set()
    again = nxp("deploy", env=site.env)
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing to change" in again.stderr


def test_only_what_differs_is_changed_and_only_ours_is_removed(site: Site) -> None:
    site.deploy()
    mine = site.deployment("nql-export/inventory-daily")
    foreign = {"name": "theirs", "flow_id": mine["flow_id"], "tags": ["nexthink"]}
    site.ask("deployments/", **foreign)
    site.ask("deployments/", **foreign | {"name": "old", "tags": ["managed:nxp"]})
    site.patch(f"deployments/{mine['id']}", description="by hand", tags=mine["tags"])
    file = site.catalog / "datasets" / "execution_events.yaml"
    before = file.read_text()
    file.write_text(before.replace('cron: "30 2 * * *"', 'cron: "41 2 * * *"'))
    try:
        done = site.deploy()
        assert {
            (each["verb"], each["name"], each["about"]) for each in done if each["verb"] != "left"
        } == {
            ("changed", "nql-export/inventory-daily", "description"),
            ("changed", "nql-export/execution-events-daily", "schedules"),
            ("removed", "nql-export/old", "no longer in the file"),
        }
        (schedule,) = site.deployment("nql-export/execution-events-daily")["schedules"]
        assert schedule["schedule"]["cron"] == "41 2 * * *"
        assert site.deployment("nql-export/theirs")["tags"] == ["nexthink"]
    finally:
        file.write_text(before)
    assert site.changed() == {("changed", "nql-export/execution-events-daily")}
    assert site.changed() == set()


def test_an_upgrade_runs_nothing_twice_and_a_seventh_dataset_needs_no_more_than_its_file(
    site: Site,
) -> None:
    """The last release had the exports in prefect.yaml, one of which is paused here."""
    prefect = site.catalog / "prefect.yaml"
    boots, devices = (site.catalog / "datasets" / f"{name}.yaml" for name in ("boots", "devices"))
    before, text = prefect.read_text(), devices.read_text()
    own = "  - <<: *export\n    name: {}\n    description: As it was.\n    parameters: {}\n"
    own += '    schedules:\n      - {{slug: {}, cron: "{}", timezone: UTC}}\n'
    old = {
        "inventory-daily": ("{dataset: [devices, users]}", "30 5 * * *"),
        "crashes-hourly": ("{dataset: crashes}", "20 * * * *"),
    }
    made = "".join(own.format(name, what, name, cron) for name, (what, cron) in old.items())
    prefect.write_text(before.replace("deployments:\n", f"deployments:\n{made}", 1))
    try:
        site.deploy()
        paused = site.deployment("nql-export/inventory-daily")
        path = f"deployments/{paused['id']}/schedules/{paused['schedules'][0]['id']}"
        site.patch(path, active=False)
        prefect.write_text(before)
        assert site.changed() == {("changed", f"nql-export/{name}") for name in old}
        after = site.deployment("nql-export/inventory-daily")
        assert after["id"] == paused["id"]
        assert [each["active"] for each in after["schedules"]] == [False]
        assert site.changed() == set()
        boots.write_text(
            text.replace("dataset: devices", "dataset: boots").replace(
                'cron: "30 5 * * *", timezone: UTC', "every: 6h"
            )
        )
        new = {"nql-export/boots-every-6h", "maintain/maintain-boots", "nxp-stale-boots"}
        assert {("created", name) for name in new} <= site.changed()
        assert site.changed() == set()
        (schedule,) = site.deployment("nql-export/boots-every-6h")["schedules"]
        assert (schedule["active"], schedule["schedule"]["interval"]) == (True, 21600)
        _, findings = site.doctor()
        assert not [each for each in problems(findings) if "boots" in each and "differs" in each]
    finally:
        prefect.write_text(before)
        boots.unlink(missing_ok=True)
    assert {("removed", name) for name in new} <= site.changed("--resume")


def test_a_schedule_paused_by_hand_stays_paused_until_it_is_resumed(site: Site) -> None:
    site.deploy()
    paused = site.deployment("maintain/maintain-users")
    (schedule,) = paused["schedules"]
    path = f"deployments/{paused['id']}/schedules/{schedule['id']}"
    site.patch(path, active=False)
    site.patch(f"deployments/{paused['id']}", description="-", tags=paused["tags"])
    assert site.changed() == {("changed", "maintain/maintain-users")}
    assert not site.deployment("maintain/maintain-users")["schedules"][0]["active"]
    assert site.changed("--resume") == {("changed", "maintain/maintain-users")}
    assert site.deployment("maintain/maintain-users")["schedules"][0]["active"]


def test_what_acts_is_inactive_until_it_is_activated_and_listed_before_it_ends(site: Site) -> None:
    site.deploy()
    sync, other = "enrichment-sync/cmdb-devices-sync", "maintain/maintain-users"

    def is_on(name: str) -> bool:
        return bool(site.deployment(name)["schedules"][0]["active"])

    assert not is_on(sync)
    only = ("--only", "cmdb-devices-*")
    assert site.changed(*only, "--activate", "cmdb-devices-sync") == {("changed", sync)}
    assert is_on(sync)
    assert site.changed("--activate", sync) == set()
    _, findings = site.doctor()
    (acting,) = [each["what"] for each in findings if each["check"] == "acting"]
    assert acting.startswith(f"{sync} acts by itself (10 6 * * * UTC)")
    ended = nxp("deploy", "--json", *only, env=site.env)
    assert f"switches off {sync}, active at 10 6 * * * UTC" in ended.stderr.splitlines()[0]
    assert [each["name"] for each in json.loads(ended.stdout) if each["verb"] != "left"] == [sync]
    assert not is_on(sync)
    assert is_on(other)
    assert site.changed() == set()
    unknown = nxp("deploy", "--activate", "nobody", env=site.env)
    assert (unknown.returncode, unknown.stdout) == (2, "")


def test_without_an_address_for_alerts_nobody_is_told_and_that_is_said(site: Site) -> None:
    site.deploy()
    env = {name: value for name, value in site.env.items() if name != "NXP_ALERT_URL"}
    done = nxp("deploy", env=env)
    assert done.returncode == 0
    assert "NXP_ALERT_URL is not set" in done.stderr
    left = {each["name"]: each for each in site.ask("automations/filter")}
    assert left.keys() == {"nxp-stuck-pending", "nxp-zombies", *OFF}
    assert all(len(each["actions"]) == 1 for each in left.values())
    site.deploy()


def test_an_event_starts_self_help_once_somebody_has_switched_that_on(site: Site) -> None:
    site.deploy()
    known = {each["name"]: each for each in site.ask("automations/filter")}
    assert not any(known[name]["enabled"] for name in OFF)
    deployment = site.deployment("self-help/restart-choice-self-help")["id"]
    event = {
        "event": "nexthink.self-help.requested",
        "resource": {"prefect.resource.id": "nexthink.action.restart_choice"},
    }

    def runs() -> list[dict[str, Any]]:
        asked = {"deployments": {"id": {"any_": [deployment]}}}
        found: list[dict[str, Any]] = site.ask("flow_runs/filter", **asked)
        return [each for each in found if not each["auto_scheduled"]]

    def emit() -> None:
        at = datetime.now(UTC).isoformat()
        sent = site.api.post("events", json=[{**event, "id": str(uuid4()), "occurred": at}])
        assert sent.is_success, sent.text

    emit()
    path = f"automations/{known['nxp-self-help-on-event']['id']}"
    site.patch(path, enabled=True)
    assert not runs()
    try:
        deadline = time.monotonic() + 60
        # The server takes a moment to know of the switch.
        while not (found := runs()) and time.monotonic() < deadline:
            emit()
            time.sleep(2)
        assert [each["parameters"] for each in found] == [{"action": "restart_choice"}]
    finally:
        site.patch(path, enabled=False)
        for each in runs():
            site.api.delete(f"flow_runs/{each['id']}")


def test_a_bad_file_and_a_server_that_is_away_are_told_in_a_line(site: Site) -> None:
    site.deploy()
    file = site.catalog / "prefect.yaml"
    before = file.read_text()
    file.write_text(
        before.replace("{days: 28}", "{dais: 28}").replace(
            '"10 6 * * *", timezone: UTC', '"10 6 * * *", timezone: Nowhere'
        )
    )
    try:
        bad = nxp("deploy", env=site.env)
        _, findings = site.doctor()
    finally:
        file.write_text(before)
    assert bad.returncode == 3
    assert "gaps-weekly: parameters: the flow nql-gaps has no dais" in bad.stderr
    assert "cmdb-devices-sync: schedules.0.timezone: " in bad.stderr
    assert "Nowhere" in bad.stderr
    assert level_of(problems(findings), "has no dais") == "fail"
    assert {"acting", "runs"} <= {each["check"] for each in findings}
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/api"
        away = nxp("deploy", env=site.env | {"PREFECT_API_URL": nowhere})
        looked, findings = site.doctor(PREFECT_API_URL=nowhere)
    assert (away.returncode, looked.returncode) == (5, 5)
    assert len(away.stderr.splitlines()) == 1
    assert level_of(problems(findings), "no Prefect server answers") == "fail"
    wrong = nxp("deploy", env=site.env | {"PREFECT_API_AUTH_STRING": "operator:wrong"})
    assert wrong.returncode == 4
    assert "PREFECT_API_AUTH_STRING" in wrong.stderr


def test_doctor_finds_nothing_where_all_is_well(site: Site) -> None:
    site.deploy()
    landed = nxp("export", "devices", env=site.env)
    assert landed.returncode == 0, landed.stderr
    with worker(site):
        looked, findings = site.doctor()
    assert looked.returncode == 0, findings
    # Datasets that have not landed here, the alerts' short delays, and a retention that is not set,
    # each cause a warning.
    assert {each["check"] for each in findings if each["level"] == "warn"} <= {
        "freshness",
        "catalogue",
        "automations",
        "retention",
    }
    checks = {each["check"] for each in findings if each["level"] == "ok"}
    assert checks >= {
        "settings",
        "disk",
        "lake",
        "ledger",
        "leases",
        "tenant",
        "clock",
        "server",
        "workers",
        "deployments",
        "runs",
        "files",
    }


def test_doctor_finds_what_is_wrong_on_the_server(site: Site, tmp_path: Path) -> None:
    site.deploy()
    drifted = site.deployment("nql-export/inventory-daily")
    site.patch(
        f"deployments/{drifted['id']}", parameters={"dataset": "users"}, tags=drifted["tags"]
    )
    missing = site.deployment("nql-gaps/gaps-weekly")
    assert site.api.delete(f"deployments/{missing['id']}").is_success
    paused = site.deployment("maintain/maintain-users")
    path = f"deployments/{paused['id']}/schedules/{paused['schedules'][0]['id']}"
    site.patch(path, active=False)
    site.ask("deployments/", name="old", flow_id=drifted["flow_id"], tags=["managed:nxp"])
    site.patch(f"work_pools/{POOL}", is_paused=True)
    (alert,) = [
        each for each in site.ask("automations/filter") if each["name"] == "nxp-failed-runs"
    ]
    assert site.api.delete(f"automations/{alert['id']}").is_success
    try:
        # A ledger of its own, because in the other one the devices are stale after earlier tests.
        looked, findings = site.doctor(NXP_LEDGER_URL=f"sqlite:///{tmp_path / 'ledger.db'}")
    finally:
        site.patch(f"work_pools/{POOL}", is_paused=False)
    found = problems(findings)
    assert level_of(found, "nql-export/inventory-daily", "parameters") == "fail"
    assert level_of(found, "nql-gaps/gaps-weekly is missing") == "fail"
    assert level_of(found, "maintain-users of maintain/maintain-users is paused") == "warn"
    assert level_of(found, "nql-export/old is on the server") == "warn"
    assert level_of(found, "nexthink is paused") == "fail"
    assert level_of(found, "nxp-failed-runs is missing") == "fail"
    assert looked.returncode == 5
    assert site.changed("--resume") == {
        ("changed", "nql-export/inventory-daily"),
        ("created", "nql-gaps/gaps-weekly"),
        ("changed", "maintain/maintain-users"),
        ("removed", "nql-export/old"),
        ("created", "nxp-failed-runs"),
    }
    pool = site.deployment("nql-export/execution-events-daily")["work_pool_name"]
    _, findings = site.doctor(PREFECT_API_AUTH_STRING="operator:wrong")
    assert level_of(problems(findings), "refuses the credential") == "fail"
    looked = nxp("doctor", "--pool", "elsewhere", env=site.env)
    assert "there is no work pool elsewhere" in looked.stdout
    site.ask("work_pools/", name="elsewhere", type="process")
    looked = nxp("doctor", "--pool", "elsewhere", env=site.env)
    assert "no live worker polls elsewhere" in looked.stdout
    assert pool == POOL


def test_doctor_finds_what_is_wrong_on_this_machine(site: Site, tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    env = {"NXP_LEDGER_URL": ledger}
    _, findings = site.doctor(**env)
    assert level_of(problems(findings), "it has no tables yet") == "warn"
    assert not (tmp_path / "ledger.db").exists()
    assert nxp("export", "devices", env=site.env | env).returncode == 0
    old, stale = datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01 00:00:00"
    engine = create_engine(ledger)
    with engine.begin() as database:
        database.execute(text("UPDATE units SET landed_at = :at"), {"at": stale})
        held = {"holder": "elsewhere/1/1/run/x", "until": stale}
        database.execute(text("UPDATE units SET holder = :holder, held_until = :until"), held)
    looked, findings = site.doctor(**env)
    found = problems(findings)
    assert level_of(found, f"devices is {(utc_now() - old).days} days old") == "fail"
    assert level_of(found, "1 leases have expired: devices") == "warn"
    assert looked.returncode == 7
    with engine.begin() as database:
        database.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    (tmp_path / "lake").write_text("a file where a folder is needed")
    broken = tmp_path / "catalog"
    shutil.copytree(site.catalog, broken)
    (broken / "datasets" / "users.yaml").write_text("dataset: users\n")
    looked, findings = site.doctor(
        **env,
        NXP_LAKE=str(tmp_path / "lake"),
        NXP_CATALOG=str(broken),
        NXP_LAEK="misspelt",
        NEXTHINK_CLIENT_SECRET="wrong",  # noqa: S106 - nobody's secret
    )
    found = problems(findings)
    assert level_of(found, f"tables have version 0001, this program needs {HEAD}") == "fail"
    assert level_of(found, "cannot write", "a file stands where a folder is needed") == "fail"
    assert level_of(found, "refuses the credential: check NEXTHINK_CLIENT_ID") == "fail"
    assert level_of(found, "no setting is named NXP_LAEK") == "warn"
    assert any("users.yaml" in what for what in found)
    assert looked.returncode == 3
    with engine.begin() as database:
        version = database.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert version == "0001", "doctor changes nothing"


@pytest.mark.parametrize(
    ("off", "level"),
    [(0, Level.OK), (-60, Level.WARN), (600, Level.FAIL)],
)
def test_a_clock_that_is_wrong_is_told(site: Site, off: int, level: Level) -> None:
    url = f"{site.api.base_url}health"
    (found,) = look_at_clock(
        "clock", url, whose="it", clock=lambda: utc_now() + timedelta(seconds=off)
    )
    assert found.level is level
    assert ("ahead" in found.what, "behind" in found.what) == (off > 0, off < 0)


def test_a_landing_is_an_event_a_failure_an_alert_and_a_stale_dataset_too(site: Site) -> None:
    site.deploy()
    site.webhook.sent.clear()
    with worker(site):
        run = _start(site, "nql-export/inventory-daily")
        until(lambda: site.state(run) == "Completed", 90)
        # Events are stored one by one, and those of users may be first.
        event = until(lambda: _landing(site, "devices"))
        # It has the worker's settings, in which the sync's sources are missing.
        failed = _start(site, "enrichment-sync/hr-users-sync")
        until(lambda: site.state(failed) == "Failed", 90)
    # Somebody started it by its form; a schedule's own run says `scheduled`.
    assert event["resource"]["nexthink.trigger"] == "manual"
    rows = site.place.landed("devices").height
    assert (event["payload"]["rows_landed"], event["payload"]["units"]) == (rows, 1)
    alert = site.webhook.await_text(" is Failed: http")
    assert alert.startswith("enrichment-sync sync hr_users 20")
    assert site.webhook.await_text("devices of tenant") == (
        "devices of tenant sandbox.eu has not landed for 10s"
    )


def test_the_site_is_made_after_an_export_by_its_deployment(site: Site) -> None:
    site.deploy()
    (schedule,) = site.deployment("site/site-daily")["schedules"]
    assert not schedule["active"], "it waits for somebody to switch it on"
    _execute(site, "nql-export/inventory-daily")
    said = _execute(site, "site/site-daily")
    folder = Path(site.env["NXP_HOME"], "site")
    assert said.endswith(f" pages in {folder}")
    page = Path(folder, "datasets", "devices.html").read_text("utf-8")
    assert f"<dd>{site.place.landed('devices').height:,}</dd>" in page


def test_runs_that_are_stuck_or_dead_are_ended_and_told(site: Site) -> None:
    site.deploy()
    site.webhook.sent.clear()
    stuck, dead = (
        _start(site, "nql-export/execution-events-daily", name) for name in ("stuck", "dead")
    )
    for run, state in ((stuck, "PENDING"), (dead, "PENDING"), (dead, "RUNNING")):
        site.ask(f"flow_runs/{run}/set_state", state={"type": state}, force=True)
    tag = {"prefect.resource.id": "prefect.tag.managed:nxp", "prefect.resource.role": "tag"}
    deployment = site.deployment("nql-export/execution-events-daily")
    flow = {
        "prefect.resource.id": f"prefect.flow.{deployment['flow_id']}",
        "prefect.resource.role": "flow",
    }
    beat = {
        "id": str(uuid4()),
        "occurred": utc_now().isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{dead}"},
        "related": [tag, flow],
        "payload": {},
    }
    assert site.api.post("events", json=[beat]).is_success
    until(lambda: site.state(stuck) == "Crashed")
    until(lambda: site.state(dead) == "Crashed")
    assert "was not started" in site.webhook.await_text("nql-export stuck")
    assert "counts as crashed" in site.webhook.await_text("nql-export dead sends no heartbeat")


def _start(site: Site, deployment: str, name: str | None = None) -> str:
    identity = site.deployment(deployment)["id"]
    body = {"name": name} if name else {}
    return str(site.ask(f"deployments/{identity}/create_flow_run", **body)["id"])


def _execute(site: Site, deployment: str) -> str:
    """Carry out a run in the process that `nxp worker` starts for one; return what it says.

    The process is waited for. A worker would need a deadline, which a loaded machine misses.
    """
    run = _start(site, deployment)
    done = subprocess.run(
        [sys.executable, "-m", "nxp.flow_run"],
        env=site.env | {"PYTHONPATH": str(Path.cwd()), "PREFECT__FLOW_RUN_ID": run},
        capture_output=True,
        text=True,
        check=False,
    )
    state = site.api.get(f"flow_runs/{run}").json()["state"]
    assert state["type"] == "COMPLETED", done.stdout + done.stderr
    return str(state["message"])


def _landing(site: Site, dataset: str) -> dict[str, Any] | None:
    """Return the event of a dataset's landing, if the server has it."""
    asked = {"filter": {"event": {"name": ["nexthink.dataset.landed"]}}}
    named = f"nexthink.dataset.sandbox.eu.{dataset}"
    found: list[dict[str, Any]] = site.ask("events/filter", **asked)["events"]
    return next((e for e in found if e["resource"]["prefect.resource.id"] == named), None)
