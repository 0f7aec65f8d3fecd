"""Commands without a known Prefect server: the same stories, in the command's own process."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.ledger import open_ledger
from tests.actions import acting
from tests.commands import called, environment
from tests.landing import NOW, Place, Use, catalogue, place
from tests.syncing import OWNER, SYNC_NAME, syncing

KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "60"))
STRETCH = ("crashes", "--from", "2026-11-12", "--to", "2026-11-19")
NOWHERE = "http://127.0.0.1:1/api"


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert (result.returncode, len(result.stderr.splitlines())) == (code, 1), result.stderr
    assert words in result.stderr


def runs(made: Place) -> list[tuple[str, str, str]]:
    """Return the runs of the ledger, oldest first: subject, trigger and state."""
    with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
        found = ledger.runs(None, 50)
    return [(run["dataset"], run["trigger"], run["state"]) for run in reversed(found)]


def test_an_export_runs_without_prefect_and_says_once_how_runs_show_there(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    first = called("export", "devices", capsys=capsys)
    assert first.returncode == 0, first.stderr
    assert "after nxp server start, runs also show in its pages" in first.stderr.splitlines()[-1]
    again = called("export", "devices", "--json", capsys=capsys)
    assert json.loads(again.stdout)["state"] == "landed"
    assert "nxp server start" not in again.stderr
    assert runs(here) == [("devices", "manual", "landed")] * 2
    assert here.landed("devices").height == json.loads(again.stdout)["rows_landed"] > 0


def test_of_several_datasets_one_that_fails_leaves_the_others(
    tmp_path: Path, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue(tmp_path, {}, broken={"like": "devices", "query_id": "#gone"})
    (tmp_path / "catalog/queries/gone.nql").write_text("nonsense", "utf-8")
    with place(tmp_path) as made:
        use(made)
        result = called("export", "devices", "broken", "users", "--json", capsys=capsys)
        assert result.returncode == 7, result.stderr
        report = json.loads(result.stdout)
        assert (report["state"], [each["dataset"] for each in report["datasets"]]) == (
            "partly",
            ["devices", "users"],
        )
        (failure,) = report["failures"]
        assert (failure["dataset"], failure["exit_code"]) == ("broken", 6)
        assert "2 of 3 datasets" in result.stderr
        assert made.landed("users").height > 0
        assert runs(made) == [
            ("devices", "manual", "landed"),
            ("broken", "manual", "failed"),
            ("users", "manual", "landed"),
        ]


def test_several_datasets_end_with_their_sum(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("export", "crashes", capsys=capsys).returncode == 0
    result = called("export", "crashes", "devices", capsys=capsys)
    rows = here.landed("devices").height
    assert f"2 datasets, 1 with nothing to land: {rows} rows landed" in result.stderr.splitlines()


def test_a_name_that_nobody_knows_among_several_ends_the_command_before_it_asks_the_tenant(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    result = called("export", "devices", "devcies", capsys=capsys)
    assert_one_line(result, 2, "unknown dataset 'devcies': did you mean devices?")
    assert here.tenant.requests.total() == 0


def test_after_a_refused_credential_no_other_dataset_is_tried(
    here: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "wrong")
    result = called("export", "devices", "users", capsys=capsys)
    assert_one_line(result, 4, "devices: 127.0.0.1 refuses the credential")
    assert result.stderr.endswith("; users: not tried after devices\n")
    assert here.tenant.requests["export"] == 0


def test_all_is_every_dataset_of_the_catalogue(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    result = called("export", "--all", "--dry-run", "--json", capsys=capsys)
    planned = json.loads(result.stdout)
    listed = json.loads(called("datasets", "--json", capsys=capsys).stdout)
    assert sorted(planned) == sorted(each["dataset"] for each in listed)
    # Snapshots have no past: dates leave them out, and the rest is no failure.
    # Commands plan on this machine's clock.
    today = datetime.now(UTC).date()
    dates = ("--from", f"{today - timedelta(days=1)}", "--to", f"{today}")
    dated = called("export", "--all", *dates, "--dry-run", "--json", capsys=capsys)
    snapshots = [name for name, units in planned.items() if "Z-" not in units[0]["unit"]]
    assert (dated.returncode, {*planned} - {*json.loads(dated.stdout)}) == (0, {*snapshots})
    assert dated.stderr.endswith(f"take no dates: {', '.join(snapshots)}\n")
    assert here.tenant.requests["export"] == 0


@pytest.mark.parametrize("words", [(), ("devices", "--all")])
def test_an_export_without_names_or_with_both_is_a_mistake(
    here: Place, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(called("export", *words, capsys=capsys), 2, "or use --all")
    assert here.tenant.requests["export"] == 0


@pytest.mark.parametrize("words", [(), ("--prefect",)])
def test_a_server_that_does_not_answer_is_an_error_and_never_a_plain_run(
    here: Place, words: tuple[str, ...], tmp_path: Path
) -> None:
    env = environment(here, PREFECT_API_URL=NOWHERE)
    result = subprocess.run(
        [sys.executable, "-m", "nxp", "export", "devices", *words],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_line(result, 5, "no Prefect server answers at PREFECT_API_URL")
    assert here.tenant.requests["export"] == 0
    assert not (tmp_path / "ledger.db").exists()


def test_a_plain_run_may_be_asked_for_where_a_server_is_known(
    here: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    assert called("export", "devices", "--no-prefect", capsys=capsys).returncode == 0
    monkeypatch.setenv("NXP_PREFECT", "0")
    assert called("export", "devices", capsys=capsys).returncode == 0
    assert here.tenant.requests["export"] == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("sync", SYNC_NAME, "--approve"), "--approve"),
        (
            ("backfill", "crashes", "--from", "2026-11-18", "--to", "2026-11-19", "--on", "p"),
            "--on",
        ),
        (("export", "devices", "--prefect"), "no Prefect server is known"),
    ],
)
def test_what_needs_prefect_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    what: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with syncing(tmp_path) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        result = called(*words, capsys=capsys)
    assert result.returncode == 5
    last = result.stderr.splitlines()[-1]
    assert what in last
    assert "nxp server start" in last


def test_a_sync_is_planned_applied_synced_and_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with syncing(tmp_path) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        made.write([{"uid": uid, "owner": "Ann"} for uid in made.uids()[:3]])
        for words, state in (
            (("plan",), "planned"),
            (("apply",), "applied"),
            (("sync",), "applied"),
            (("retry",), "applied"),
        ):
            result = called(*words, SYNC_NAME, "--json", capsys=capsys)
            assert result.returncode == 0, result.stderr
            assert json.loads(result.stdout)["state"] == state
        assert list(made.held(OWNER).values()).count("Ann") == 3
        assert [run[1] for run in runs(made.place)] == ["plan", "apply", "sync", "retry"]


def test_an_action_is_planned_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with acting(tmp_path, monkeypatch.setenv, now=None) as made:
        made.specify("clean", targets={"query_id": "#windows_devices"})
        planned = called("act", "plan", "clean", "--json", capsys=capsys)
        assert json.loads(planned.stdout)["state"] == "planned"
        done = called("act", "run", "clean", "--no-wait", "--json", capsys=capsys)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["requested"] == len(made.devices()) > 0


def test_maintenance_and_replay_are_runs_like_any_other(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("export", "devices", capsys=capsys).returncode == 0
    result = called("maintain", "devices", "--json", capsys=capsys)
    report = json.loads(result.stdout)
    assert (result.returncode, report["state"]) == (0, "done")
    none = called("replay", "devices", "--run", report["run_id"], capsys=capsys)
    assert_one_line(none, 2, "has rejected no rows of devices")
    assert runs(here) == [("devices", "manual", "landed"), ("devices", "maintain", "done")]


@pytest.mark.chaos
def test_plain_runs_killed_and_stopped_at_random_end_equal_to_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    """The whole command, from its start on: kill -9 and SIGTERM in turn."""
    chance = random.Random(7)
    with place(tmp_path, devices=150, now=NOW, export_time=0.2) as made:
        # A run that is asked to stop has half a second, so that some work has to be cut short.
        env = environment(made, NXP_STOP_SECONDS="0.5")
        quiet = env | {
            "NXP_HOME": str(tmp_path / "quiet"),
            "NXP_LAKE": str(tmp_path / "quiet/lake"),
            "NXP_LEDGER_URL": f"sqlite:///{tmp_path / 'quiet.db'}",
        }
        command = [sys.executable, "-m", "nxp", "backfill", *STRETCH, "--only", "all"]

        def start(environ: dict[str, str]) -> subprocess.Popen[str]:
            return subprocess.Popen(
                command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )

        def ended(environ: dict[str, str]) -> int:
            process = start(environ)
            process.communicate(timeout=120)
            return process.returncode

        began = time.monotonic()
        assert ended(quiet) == 0
        length = time.monotonic() - began
        codes = []
        for number in range(KILLS):
            victim = start(env)
            time.sleep(chance.uniform(0.1, 1.2) * length)
            victim.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
            _, said = victim.communicate(timeout=60)
            codes.append(victim.returncode)
            assert "a bug" not in said
            assert victim.returncode in {0, -signal.SIGKILL, -signal.SIGTERM, 143}, said
        assert sum(code == -signal.SIGKILL for code in codes) > KILLS // 8
        assert sum(code == 143 for code in codes) > KILLS // 8
        assert ended(env) == 0
        order = ["crashed_at", "device_uid", "binary_uid", "user_uid"]
        undisturbed = Place(
            made.tenant, tmp_path, dict(made.environment) | {"NXP_LAKE": quiet["NXP_LAKE"]}
        )
        expected = undisturbed.landed("crashes").sort(order)
        assert expected.height > 0
        assert_frame_equal(made.landed("crashes").sort(order), expected)
        assert_frame_equal(made.globbed("crashes").sort(order), expected)
        states = {run["state"] for run in runs_of(made)}
        assert "running" not in states
        assert made.tenant.leaks == []


def runs_of(made: Place) -> list[dict[str, object]]:
    """Return all runs of the ledger."""
    with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
        return ledger.runs(None, 1000)


def test_columns_of_runs_in_the_lake_are_those_of_flows(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("export", "devices", capsys=capsys).returncode == 0
    (file,) = Path(here.environment["NXP_LAKE"]).glob("sandbox.eu/_runs/*/*.parquet")
    row = pl.read_parquet(file, hive_partitioning=False).to_dicts()[0]
    assert (row["trigger"], row["state"], row["units"], row["planned"]) == (
        "manual",
        "landed",
        1,
        1,
    )
