"""The command `nxp` as a user runs it: in a process of its own, in an empty folder."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from connectors.lake.lake import unit_name
from connectors.ledger import open_ledger
from tests.commands import Result, called, environment, nxp
from tests.landing import CATALOG, Place, catalogue, place


@pytest.fixture
def present(tmp_path: Path) -> Iterator[Place]:
    """A tenant at the machine's own time, for commands that use the current time."""
    with place(tmp_path, now=None) as made:
        yield made


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, while a process runs."""
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def give(monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str]) -> None:
    """Set an environment for commands that are called in this process."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def assert_one_line(result: Result, code: int, *words: str) -> None:
    """A user's mistake is one line on stderr, its exit code, and nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_help_is_quick_because_it_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from nxp.cli import run; run(['--help']);"
        "heavy = {'prefect','polars','duckdb','pyarrow','httpx','sqlalchemy','obstore'};"
        "heavy &= set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for command in ("demo", "export", "sandbox", "sql", "check"):
        assert command in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("frobnicate",), 2, "frobnicate"),
        (("export",), 2, "dataset"),
        (("export", "devices", "--unknown"), 2, "--unknown"),
        (("site", "--out"), 2, "--out needs a value (see nxp site --help)"),
        (("site", "--out", "a", "--out", "b"), 2, "--out is given more than once"),
        (("datasets", "crashes", "users"), 2, '"users" is more than nxp datasets takes (see nxp d'),
        (("sql", "SELECT", "1"), 2, "put the query in quotes (see nxp sql --help)"),
        (("act", "plan"), 2, "nxp act plan needs ACTION (see nxp act plan --help)"),
        (("act", "nope"), 2, "(see nxp act --help)"),
        (("runs", "--limit", "2.7"), 2, '--limit takes a whole number, not "2.7"'),
        (("runs", "--limit", "-1"), 2, "--limit: must be 1 or more"),
        (("remote-actions", "list", "--unknown"), 2, "(see nxp remote-actions list --help)"),
        (("export", "nope"), 2, "unknown dataset 'nope'"),
        (("export", "devices", "devces"), 2, "unknown dataset 'devces': did you mean devices?"),
        (("export", "a", "DEVICES"), 2, "'a'; unknown dataset 'DEVICES': did you mean devices?"),
        (("nql", "diff", "#devices", "#user"), 2, "saved query #user (did you mean #users?)"),
        (("nql", "queries", "devces"), 2, "saved query #devces (did you mean #devices?)"),
        (("datasets", "devces"), 2, "unknown dataset 'devces': did you mean devices?"),
        (("export", "devices"), 3, "NEXTHINK_CLIENT_SECRET: not set"),
        (("export", "devices", "--tenant", "nope"), 3, "no tenant profile 'nope'"),
        (("datasets", "nope"), 2, "unknown dataset"),
        (("backfill", "crashes", "--from", "2026-11-01"), 2, "nxp backfill needs --to"),
        (("backfill", "crashes", "--from", "x", "--to", "y", "--only", "some"), 2, "some"),
        (("state", "show", "nope"), 2, "unknown dataset"),
        (("state", "show", "crashes"), 3, "no data yet"),
        (("datasets", "--nql"), 2, "NAME"),
        (("sql", "SELECT 1"), 3, "no data yet"),
        (("runs",), 3, "no data yet"),
        (("check",), 3, "NEXTHINK_INSTANCE: not set"),
        (("nql", "execute", "#devices", "-p", "broken"), 2, "key=value"),
        (("sandbox", "--devices", "0"), 2, "devices"),
        (("sandbox", "--devices", "many"), 2, "devices"),
        (("sandbox", "--queries", "nowhere"), 2, "no such folder"),
        (("sandbox", "--time-zone", "Mars/City"), 2, "time_zone"),
        (("sandbox", "--now", "soon"), 2, "soon"),
        (("sandbox", "--port", "65533"), 2, "port is not between"),
        (("sandbox", "--token-ttl", "nan"), 2, "token_ttl is not between"),
        (("sandbox", "--reach-limit", "99999999999d"), 2, "longer than"),
        (("sandbox", "--days", "1000000"), 2, "days is not between"),
        (("sandbox", "--offline-share", "1.5"), 2, "offline_share is not between"),
        (("sandbox", "--fault", "503@nowhere"), 2, "route 'nowhere' is unknown"),
        (("sandbox", "--servicenow.rate-limit", "-1"), 2, "servicenow rate_limit"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """In this process, because starting one takes most of a second; other tests here start one."""
    monkeypatch.setenv("NXP_HOME", str(tmp_path))
    monkeypatch.setenv("NXP_CATALOG", str(CATALOG))
    monkeypatch.chdir(tmp_path)
    assert_one_line(called(*words, capsys=capsys), code, said)


def test_a_broken_catalogue_and_missing_settings_are_listed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "things.yaml").write_text("dataset: things\nmode: weekly\n")
    give(monkeypatch, {"NXP_HOME": str(tmp_path), "NXP_CATALOG": str(tmp_path)})
    result = called("check", capsys=capsys)
    assert_one_line(result, 3, "NEXTHINK_REGION: not set", "things.yaml: mode", "columns")


def test_no_network_a_bad_secret_and_no_answer_are_told_apart(
    here: Place, prefect_server: str
) -> None:
    env = environment(here, PREFECT_API_URL=prefect_server)

    def ended(words: tuple[str, ...], name: str, value: str) -> Result:
        return nxp(*words, env={**env, name: value})

    # Two of them wait for ten seconds before they give up, so they run at the same time.
    with ThreadPoolExecutor(3) as pool:
        bad = pool.submit(ended, ("export", "users"), "NEXTHINK_CLIENT_SECRET", "planted-secret")
        silent = pool.submit(
            ended, ("check", "--connect"), "NEXTHINK_LOGIN_URL", "http://127.0.0.1:9"
        )
        nowhere = pool.submit(
            ended, ("check", "--connect"), "NEXTHINK_LOGIN_URL", "http://no.invalid"
        )
    assert_one_line(bad.result(), 4, "NEXTHINK_CLIENT_SECRET")
    assert "planted-secret" not in bad.result().stderr
    assert_one_line(silent.result(), 5, "connection refused", "NEXTHINK_LOGIN_URL")
    assert_one_line(nowhere.result(), 5, "no.invalid")


def test_check_connects(here: Place, capsys: pytest.CaptureFixture[str]) -> None:
    result = called("check", "--connect", "--json", capsys=capsys)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["tenant"] == "sandbox.eu"
    assert here.tenant.requests["token"] == 1


def test_an_export_can_be_planned_run_listed_and_queried(
    present: Place,
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = present
    env = environment(here, PREFECT_API_URL=prefect_server)
    give(monkeypatch, env)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - timedelta(days=3), today - timedelta(days=1)
    dated = ("--from", f"{start:%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}")
    plan = called("export", "crashes", *dated, "--dry-run", "--json", capsys=capsys)
    assert [unit["unit"] for unit in json.loads(plan.stdout)] == [
        unit_name(start, start + timedelta(days=1)),
        unit_name(start + timedelta(days=1), end),
    ]
    done = nxp("export", "crashes", *dated, "--json", env=env)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["state"] == "landed"
    assert report["rows_landed"] == len(here.landed("crashes")) > 0
    human = nxp("export", "devices", env=env)
    assert human.returncode == 0, human.stderr
    assert "devices landed" in human.stderr
    runs = json.loads(called("runs", "--json", capsys=capsys).stdout)
    assert [(run["dataset"], run["trigger"], run["state"]) for run in runs] == [
        ("devices", "manual", "landed"),
        ("crashes", "back-fill", "landed"),
    ]
    listed = json.loads(called("datasets", "--json", capsys=capsys).stdout)
    assert {row["dataset"]: row["units"] for row in listed}["crashes"] == 2
    units = json.loads(called("datasets", "crashes", "--json", capsys=capsys).stdout)
    assert [unit["state"] for unit in units] == ["landed", "landed"]
    counted = called("sql", "SELECT count(*) AS n FROM crashes", "--json", capsys=capsys)
    assert json.loads(counted.stdout) == [{"n": report["rows_landed"]}]
    reports = called("sql", "SELECT rows_landed FROM _runs ORDER BY 1", "--json", capsys=capsys)
    assert report["rows_landed"] in [row["rows_landed"] for row in json.loads(reports.stdout)]
    assert here.tenant.leaks == []


def test_a_back_fill_is_planned_interrupted_and_goes_on(
    tmp_path: Path,
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with place(tmp_path, now=None, export_time=1.0) as here:
        env = environment(here, PREFECT_API_URL=prefect_server)
        give(monkeypatch, env)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        start, end = today - timedelta(days=8), today
        dated = ("crashes", "--from", f"{start:%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}")
        plan = json.loads(called("backfill", *dated, "--dry-run", "--json", capsys=capsys).stdout)
        assert (plan["windows"], plan["to_land"], plan["calls"]) == (8, 8, 40)
        assert plan["calls_a_day"] == 50_000
        begun = subprocess.Popen(
            [sys.executable, "-m", "nxp", "backfill", *dated, "--concurrency", "1"],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Once its status is asked for, the third export is in the journal; before, it may not be.
        requests = here.tenant.requests
        until(begun, lambda: requests["export"] == 3)
        asked = requests["status"]
        until(begun, lambda: requests["status"] > asked)
        begun.send_signal(signal.SIGINT)
        said = begun.communicate(timeout=60)[1]
        assert begun.returncode == 130, said
        assert said.strip().splitlines()[-1].startswith("nxp: stopped")
        state = json.loads(called("state", "show", "crashes", "--json", capsys=capsys).stdout)
        assert state["landed"] >= 2
        assert state["landed"] + state["pending"] == 8
        assert state["watermark"] is None
        done = nxp("backfill", *dated, "--json", env=env)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["units"] == 8 - state["landed"]
        # The export that was under way was resumed.
        assert here.tenant.requests["export"] == 8
        assert len(here.landed("crashes")) > 0
        idle = called("backfill", *dated, capsys=capsys)
        assert (idle.returncode, idle.stdout) == (0, "")
        assert "8 done already" in idle.stderr
        reset = called("state", "reset", "crashes", "--json", capsys=capsys)
        assert json.loads(reset.stdout)["landed"] == 8
        future = called("state", "reset", "crashes", "--from", "2100-01-01", capsys=capsys)
        assert_one_line(future, 2, "in the future")
        state = json.loads(called("state", "show", "crashes", "--json", capsys=capsys).stdout)
        assert state["watermark"] is None


@pytest.mark.parametrize("command", [("export",), ("backfill", "--only", "all")])
def test_a_run_that_left_something_out_prints_its_report_and_then_its_error(
    tmp_path: Path, prefect_server: str, command: tuple[str, ...]
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first, second, third = (f"{today - timedelta(days=days):%Y-%m-%d}" for days in (3, 2, 1))
    with place(tmp_path, now=None, devices=400) as here:
        env = environment(here, PREFECT_API_URL=prefect_server)
        landed = nxp("export", "crashes", "--from", first, "--to", second, env=env)
        assert landed.returncode == 0, landed.stderr
    with place(tmp_path, now=None, devices=40) as here:
        env = environment(here, PREFECT_API_URL=prefect_server)
        name, *more = command
        dated = ("crashes", "--from", first, "--to", third)
        partly = nxp(name, *dated, *more, "--json", env=env)
        assert partly.returncode == 7, partly.stderr
        report = json.loads(partly.stdout)
        assert (report["state"], report["units"], len(report["failures"])) == ("partly", 1, 1)
        assert partly.stderr.strip().splitlines()[-1].startswith("nxp: crashes: 1 of 2 windows")
        human = nxp("export", *dated, env=env)
        assert human.returncode == 7
        assert "rows_landed" in human.stdout
        assert "crashes partly: " in human.stderr


def test_a_back_fill_of_all_says_with_which_earlier_one_it_goes_on(
    present: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, present.environment)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - timedelta(days=3), today - timedelta(days=1)
    dated = ("--from", f"{start:%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}")
    words = ("backfill", "crashes", *dated, "--only", "all", "--dry-run")
    assert "resumes the" not in called(*words, capsys=capsys).stderr
    ledger = open_ledger(present.environment["NXP_LEDGER_URL"], "sandbox.eu")
    ledger.marks.begin_backfill("crashes", start, end, timedelta(days=1))
    window = ("crashes", unit_name(start, start + timedelta(days=1)))
    ledger.plan_units("crashes", [(window[1], start, start + timedelta(days=1))])
    ledger.mark_landed(*window, "run", 1, datetime.now(UTC))
    ledger.close()
    said = called(*words, capsys=capsys).stderr
    assert re.search(r"resumes the back-fill begun at .*Z: 1 windows were landed since", said)
    called("state", "reset", "crashes", capsys=capsys)
    assert "resumes the" not in called(*words, capsys=capsys).stderr


def test_runs_of_a_name_that_nobody_knows_are_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = environment(NXP_HOME=str(tmp_path), NEXTHINK_INSTANCE="acme", NEXTHINK_REGION="eu")
    give(monkeypatch, env)
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu")
    ledger.begin_run("r", "gone_from_the_catalogue", "scheduled")
    ledger.close()
    assert_one_line(
        called("runs", "nosuch", capsys=capsys), 2, "unknown dataset 'nosuch'", "crashes"
    )
    assert called("runs", "crashes", "--json", capsys=capsys).stdout == "[]\n"
    assert (
        len(json.loads(called("runs", "gone_from_the_catalogue", "--json", capsys=capsys).stdout))
        == 1
    )


def test_the_raw_operations_start_watch_and_download_an_export(
    here: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    def nxp(*words: str) -> Result:
        return called(*words, capsys=capsys)

    rows = json.loads(nxp("nql", "execute", "#devices", "--json").stdout)["rows"]
    assert len(rows) == len(here.tenant.frame("#devices", {}))
    csv = nxp("nql", "execute", "#devices", "--csv", "--version", "1").stdout
    assert csv.startswith("device.uid,")
    bounds = ("-p", "from=2026-11-18 00:00:00", "-p", "to=2026-11-19 00:00:00")
    export_id = nxp("nql", "export", "#crashes", *bounds).stdout.strip()
    deadline = time.monotonic() + 20
    while nxp("nql", "status", export_id).stdout.strip() != "COMPLETED":
        assert time.monotonic() < deadline
    target = tmp_path / "crashes.csv"
    downloaded = nxp("nql", "download", export_id, "--to", str(target))
    assert target.read_text().startswith("execution.crash.time,")
    counted = pl.read_csv(target).height
    assert downloaded.stderr.startswith(f"{counted:,} rows, ")
    status = nxp("nql", "status", export_id, "--url")
    assert status.stderr == f"{counted:,} rows\n"
    state, url = status.stdout.splitlines()
    by_url = tmp_path / "by_url.csv"
    assert (state, nxp("nql", "download", url, "--to", str(by_url)).returncode) == ("COMPLETED", 0)
    assert by_url.read_bytes() == target.read_bytes()
    again = nxp("nql", "download", export_id, "--to", str(target))
    assert_one_line(again, 2, "exists already")
    assert_one_line(nxp("nql", "execute", "#nope"), 3, "#nope")
    assert_one_line(nxp("nql", "execute", "nope"), 3, "no saved query #nope")
    assert_one_line(nxp("nql", "status", "nope"), 2, "has no export 'nope'")


def test_the_saved_query_is_printed_as_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, environment(NXP_HOME=str(tmp_path)))
    result = called("datasets", "devices", "--nql", capsys=capsys)
    assert result.stdout == (CATALOG / "queries" / "devices.nql").read_text()


def test_the_sandbox_says_where_it_is_and_stops_cleanly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nxp", "sandbox", "--json", "--devices", "10", "--days", "2"],
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        for name in ("api_url", "login_url", "client_id", "client_secret", "instance", "region"):
            assert said[name]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", said["api_url"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(("limit", "state", "left"), [("0", "interrupted", 1), ("20", "landed", 0)])
def test_sigterm_ends_an_export_with_143_and_the_next_goes_on_with_it(
    tmp_path: Path, prefect_server: str, limit: str, state: str, left: int
) -> None:
    with place(tmp_path, export_time=6.0) as here:
        env = environment(here, PREFECT_API_URL=prefect_server, NXP_STOP_SECONDS=limit)
        process = subprocess.Popen(
            [sys.executable, "-m", "nxp", "export", "devices"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(process, lambda: bool(here.tenant.requests["status"]))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 143, said
        assert len(said.strip().splitlines()) == 1
        assert not any((tmp_path / "home" / "spool").iterdir())
        states = [run["state"] for run in json.loads(nxp("runs", "--json", env=env).stdout)]
        assert states == [state]
        assert nxp("export", "devices", env=env).returncode == 0
        # An export that was begun is resumed; a snapshot that has landed is landed again.
        assert here.tenant.requests["export"] == 2 - left


def test_check_lists_columns_whose_names_the_database_would_cut(
    here: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = f"remote_action.#get_disk_and_battery_report.execution.outputs.{'x' * 40}"
    columns = [{"nql": "user.upn"}, {"nql": long}]
    changes = {"like": "users", "landings": ["sql"], "columns": columns, "checks": []}
    catalog = catalogue(here.folder, {}, reports=changes)
    url = "postgresql://nobody@127.0.0.1:1/landing"
    give(monkeypatch, {"NXP_DATABASE_URL": url, "NXP_CATALOG": str(catalog)})
    result = called("check", "--json", capsys=capsys)
    assert result.returncode == 0, result.stderr
    noted = [note for note in json.loads(result.stdout)["notes"] if note.startswith("reports: ")]
    assert len(noted) == 1
    assert "longer than the 63 bytes" in noted[0]
    assert "docs/sql.md" in noted[0]
