"""Rejects and their replay, end to end: a wrong declaration is corrected, and the rows land."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from connectors.errors import DataRefusedError, HeldError, PartlyDoneError, StorageError
from connectors.lake.rejects import reject_files
from connectors.lake.stores.local import LocalStore
from connectors.ledger import open_ledger
from tasks.land.asked import Only
from tasks.land.backfill import begin_backfill
from tasks.land.run import open_run
from tasks.stories.export import land_unit
from tasks.stories.replay import open_replay, raise_unless_replayed, try_replay
from tasks.stories.replay import replay as replay_story
from tasks.upkeep.replay import Replayed
from tests.answers import validated
from tests.commands import called
from tests.forks import fork
from tests.landing import CATALOG, Place, foreign_export

DAY: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
BOUNDS = {"from": "2026-11-18 00:00:00", "to": "2026-11-19 00:00:00"}
Change = Callable[..., None]
Columns = Mapping[str, Mapping[str, object]]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Declare columns of a shipped dataset differently, in a catalogue of the test's own."""
    catalog = tmp_path / "catalogue"
    shutil.copytree(CATALOG, catalog)
    monkeypatch.setenv("NXP_CATALOG", str(catalog))

    def change(dataset: str, columns: Columns, **keys: object) -> None:
        plain = yaml.safe_load((CATALOG / "datasets" / f"{dataset}.yaml").read_text())
        for column in plain["columns"]:
            column.update(columns.get(column["nql"], {}))
        text = yaml.safe_dump({**plain, "max_reject_share": 1.0, **keys})
        (catalog / "datasets" / f"{dataset}.yaml").write_text(text)

    return change


def only_run(here: Place, dataset: str) -> str:
    (run_id,) = {file.run_id for file in reject_files(here.lake, dataset)}
    return run_id


def replay(here: Place, dataset: str, run_id: str, *, dry_run: bool = False) -> list[Replayed]:
    with open_replay(dataset, None, here.tenant.clock.now) as run:
        result = try_replay(run, run_id) if dry_run else replay_story(run, run_id)
    return list(result.outcomes)


def fresh(
    here: Place, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pl.DataFrame:
    """Land by the current declaration in a lake of its own."""
    lake = here.environment["NXP_LAKE"]
    try:
        monkeypatch.setenv("NXP_LAKE", str(tmp_path / "fresh"))
        monkeypatch.setenv("NXP_LEDGER_URL", f"sqlite:///{tmp_path / 'fresh.db'}")
        elsewhere = Place(
            here.tenant, here.folder, {**here.environment, "NXP_LAKE": str(tmp_path / "fresh")}
        )
        window = DAY if dataset == EVENTS else {}
        (outcome,) = elsewhere.land(elsewhere.plan(dataset, **window), partly=True)
        assert outcome.rows_rejected == 0
        return elsewhere.landed(dataset)
    finally:
        monkeypatch.setenv("NXP_LAKE", lake)
        monkeypatch.setenv("NXP_LEDGER_URL", here.environment["NXP_LEDGER_URL"])


def within(here: Place) -> pl.DataFrame:
    """Return the tenant's rows of the half-open day, as another client reads them."""
    there = foreign_export(here, "#execution_events", BOUNDS)
    return there.filter(pl.col("execution.event.start_time") < BOUNDS["to"])


IN = {"execution.event.incoming_traffic": {"nullable": False}}
OUT = {"execution.event.outgoing_traffic": {"nullable": False}}
EVENTS = "execution_events"
WRONG: dict[str, Columns] = {
    # Landed whole numbers are to become floats.
    "execution_events": {
        "execution.event.bucket_duration": {"type": "int"},
        "execution.event.incoming_traffic": {"nullable": False},
    },
    # Landed text is to become a number.
    "users": {"user.upn": {"nullable": False}, "user.days_since_last_seen": {"type": "string"}},
}


@pytest.mark.parametrize("dataset", list(WRONG))
def test_a_mended_dataset_is_replayed_to_what_a_fresh_export_gives(
    here: Place, declare: Change, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(dataset, WRONG[dataset])
    (outcome,) = here.land(here.plan(dataset, **(DAY if dataset == EVENTS else {})), partly=True)
    assert outcome.rows_landed
    assert outcome.rows_rejected
    before = here.landed(dataset)
    run_id = only_run(here, dataset)
    declare(dataset, {})
    (tried,) = replay(here, dataset, run_id, dry_run=True)
    assert (tried.landed + tried.outside, tried.rejected) == (outcome.rows_rejected, 0)
    assert_frame_equal(here.landed(dataset), before)
    (done,) = replay(here, dataset, run_id)
    assert (done.state, done.landed) == ("landed", tried.landed)
    expected = fresh(here, dataset, tmp_path, monkeypatch)
    for landed in (here.landed(dataset), here.globbed(dataset)):
        order = expected.columns
        assert_frame_equal(
            landed.select(order).sort(order), expected.sort(order), rel_tol=0, abs_tol=0
        )
    unit = open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu").unit(dataset, done.unit)
    manifest = here.lake.manifest(dataset)
    assert manifest
    assert unit
    assert (unit.run_id, unit.rows_landed) == (manifest.entries[-1].run_id, len(expected))
    assert manifest.entries[-1].exported_at == outcome.exported_at
    again = replay(here, dataset, run_id)
    with pytest.raises(HeldError, match="landed again since, by run"):
        raise_unless_replayed(dataset, run_id, again)
    assert len(here.landed(dataset)) == len(expected)


def test_what_still_does_not_fit_stays_a_reject_of_the_new_run(
    here: Place, declare: Change
) -> None:
    declare(EVENTS, {**IN, **OUT})
    (outcome,) = here.land(here.plan(EVENTS, **DAY), partly=True)
    run_id = only_run(here, EVENTS)
    declare(EVENTS, OUT)
    (done,) = replay(here, EVENTS, run_id)
    assert done.landed > 0
    assert done.rejected > 0
    assert done.landed + done.rejected + done.outside == outcome.rows_rejected
    with pytest.raises(PartlyDoneError, match="still do not fit"):
        raise_unless_replayed(EVENTS, run_id, [done])
    manifest = here.lake.manifest(EVENTS)
    assert manifest
    (left,) = reject_files(here.lake, EVENTS, manifest.entries[-1].run_id)
    reasons = {row.reasons for row in left.rows()}
    assert reasons == {("outgoing_bytes: null in a required column",)}
    # They are numbered as in the tenant's result, and have the text of exactly these rows.
    foreign = foreign_export(here, "#execution_events", BOUNDS)
    for row, text in zip(left.rows(), left.raw(), strict=True):
        assert row.record
        assert json.loads(text) == foreign.row(row.record - 1, named=True)
    declare(EVENTS, {})
    (rest,) = replay(here, EVENTS, manifest.entries[-1].run_id)
    assert rest.landed + rest.outside == done.rejected
    assert len(here.landed(EVENTS)) == len(within(here))


def test_nothing_that_fits_publishes_nothing(here: Place, declare: Change) -> None:
    declare("users", {"user.upn": {"nullable": False}})
    here.land(here.plan("users"), partly=True)
    before = here.lake.manifest("users")
    run_id = only_run(here, "users")
    outcomes = replay(here, "users", run_id)
    with pytest.raises(DataRefusedError, match="none of the"):
        raise_unless_replayed("users", run_id, outcomes)
    assert here.lake.manifest("users") == before


def test_a_unit_that_landed_anew_is_left_alone(here: Place, declare: Change) -> None:
    declare("users", {"user.upn": {"nullable": False}})
    here.land(here.plan("users"), partly=True)
    run_id = only_run(here, "users")
    declare("users", {})
    here.land(here.plan("users"), partly=True)
    before = here.lake.manifest("users")
    (outcome,) = outcomes = replay(here, "users", run_id)
    assert (outcome.state, outcome.landed) == ("superseded", 0)
    with pytest.raises(HeldError):
        raise_unless_replayed("users", run_id, outcomes)
    assert here.lake.manifest("users") == before
    runs = open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu").runs("users")
    assert "replay" not in {run["trigger"] for run in runs}


@pytest.mark.parametrize(
    ("wrong", "mended", "keys", "words"),
    [
        # The original text of a landed number is gone.
        (
            {"user.days_since_last_seen": {"type": "int"}},
            {"user.days_since_last_seen": {"type": "string"}},
            {},
            "a type other than string",
        ),
        ({}, {"user.upn": {"type": "int"}}, {}, "upn is int now"),
        ({}, {"user.ad.city": {"name": "town"}}, {}, "is no longer a column"),
        ({}, {}, {"checks": [{"check": "rows", "max": 1}]}, "from 0 to 1 rows"),
    ],
)
def test_landed_rows_that_cannot_follow_are_refused_whole(
    here: Place,
    declare: Change,
    wrong: dict[str, dict[str, object]],
    mended: dict[str, dict[str, object]],
    keys: dict[str, object],
    words: str,
) -> None:
    upn = {"user.upn": {"nullable": False}}
    declare("users", {**wrong, **upn})
    here.land(here.plan("users"), partly=True)
    run_id = only_run(here, "users")
    before, landed = here.lake.manifest("users"), here.landed("users")
    declare("users", mended, **keys)
    with pytest.raises(DataRefusedError, match=words):
        replay(here, "users", run_id)
    assert here.lake.manifest("users") == before
    assert_frame_equal(here.landed("users"), landed)
    assert [file.run_id for file in reject_files(here.lake, "users")] == [run_id]


def test_landed_rows_that_lack_what_is_required_now_are_not_followed_up(
    here: Place, declare: Change
) -> None:
    declare(EVENTS, IN)
    here.land(here.plan(EVENTS, **DAY), partly=True)
    before = here.lake.manifest(EVENTS)
    declare(EVENTS, OUT)
    for dry_run in (True, False):
        with pytest.raises(DataRefusedError, match="outgoing_bytes is required now"):
            replay(here, EVENTS, only_run(here, EVENTS), dry_run=dry_run)
    assert here.lake.manifest(EVENTS) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_replay_that_is_killed_is_exact_when_replayed_again(
    here: Place, declare: Change, moment: str
) -> None:
    declare(EVENTS, {**IN, **OUT})
    here.land(here.plan(EVENTS, **DAY), partly=True)
    run_id = only_run(here, EVENTS)
    declare(EVENTS, OUT)
    killed = fork(
        "tests.replay_once", EVENTS, run_id, moment, env=os.environ, stderr=subprocess.PIPE
    )
    _, said = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, said
    (again,) = outcomes = replay(here, EVENTS, run_id)
    assert again.state == ("landed" if moment == "before" else "replayed already")
    if moment == "after":
        raise_unless_replayed(EVENTS, run_id, outcomes)
    manifest = here.lake.manifest(EVENTS)
    assert manifest
    (entry,) = manifest.entries
    (left,) = reject_files(here.lake, EVENTS, entry.run_id)
    there = within(here)
    fitting = there.filter(pl.col("execution.event.outgoing_traffic").is_not_null())
    assert len(here.landed(EVENTS)) == len(fitting)
    assert len(left.rows()) >= len(there) - len(fitting)
    assert here.landed(EVENTS)["outgoing_bytes"].null_count() == 0
    unit = open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu").unit(EVENTS, entry.unit)
    assert unit
    assert (unit.run_id, unit.rows_landed) == (entry.run_id, entry.rows)
    assert not list((here.lake.folder / "_staging").iterdir())


def test_a_replay_is_no_export_to_schedules_and_back_fills(here: Place, declare: Change) -> None:
    declare(EVENTS, IN)
    here.land(here.plan(EVENTS, **DAY), partly=True)
    run_id = only_run(here, EVENTS)
    declare(EVENTS, {})
    slow = here.plan(EVENTS, **DAY)
    interrupted = here.plan(EVENTS, **DAY, only=Only.ALL)
    with open_run(interrupted, clock=here.tenant.clock.now) as run:
        begin_backfill(run)
    (replayed,) = replay(here, EVENTS, run_id)
    assert replayed.state == "landed"
    assert here.plan(EVENTS, **DAY, only=Only.ALL).units == interrupted.units
    with open_run(slow, clock=here.tenant.clock.now) as run:
        assert not land_unit(run, slow.units[0]).skipped


def test_a_back_fill_of_all_has_ended_when_rows_were_rejected(here: Place, declare: Change) -> None:
    declare(EVENTS, IN)
    plan = here.plan(EVENTS, **DAY, only=Only.ALL)
    here.land(plan, partly=True)
    declare(EVENTS, {})
    again = here.plan(EVENTS, **DAY, only=Only.ALL)
    assert again.units == plan.units
    (outcome,) = here.land(again)
    assert (outcome.rows_rejected, outcome.skipped) == (0, False)


def test_rows_that_a_killed_publish_left_are_not_taken_for_the_rejecting_runs(
    here: Place, declare: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(EVENTS, IN)
    here.land(here.plan(EVENTS, **DAY), partly=True)
    run_id = only_run(here, EVENTS)
    declare(EVENTS, {})
    with monkeypatch.context() as patched:
        # Between the rename of the file and the manifest.
        patched.setattr(LocalStore, "swap", die)
        plan = here.plan(EVENTS, **DAY)
        with pytest.raises(KeyboardInterrupt):
            here.land(plan)
    with pytest.raises(StorageError, match="land its unit again"):
        replay(here, EVENTS, run_id)
    here.land(here.plan(EVENTS, **DAY))
    assert len(here.landed(EVENTS)) == len(within(here))


def die(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_commands_tell_rejects_and_replay_them(
    here: Place, declare: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    nxp = partial(called, capsys=capsys)
    declare(EVENTS, {**IN, **OUT})
    here.land(here.plan(EVENTS, **DAY), partly=True)
    run_id = only_run(here, EVENTS)
    devices = set(foreign_export(here, "#execution_events", BOUNDS)["device.name"])
    listed = nxp("rejects", EVENTS, "--json")
    rows = validated("rejects", listed.stdout)
    assert {(row["state"], row["run_id"]) for row in rows} == {("current", run_id)}
    assert all(set(row["columns"]) <= {"incoming_bytes", "outgoing_bytes"} for row in rows)
    table = nxp("rejects", EVENTS)
    counted = Counter(reason for row in rows for reason in row["reasons"])
    head, *lines = (line.split() for line in table.stdout.splitlines())
    assert head[:4] == ["rows", "state", "column", "reason"]
    assert [(int(line[0]), line[2]) for line in lines] == [
        (count, reason.partition(":")[0]) for reason, count in counted.most_common()
    ]
    assert "incoming_bytes: null in a required" in table.stdout
    assert run_id in table.stdout
    assert len(nxp("rejects", EVENTS, "--rows").stdout.splitlines()) == len(rows) + 1
    assert not any(name in listed.stdout + table.stdout + table.stderr for name in devices)
    raw = validated("rejects", nxp("rejects", EVENTS, "--raw", "--json", "--run", run_id).stdout)
    assert {json.loads(row["raw"])["device.name"] for row in raw} <= devices
    declare(EVENTS, OUT)
    planned = nxp("replay", EVENTS, "--run", run_id, "--dry-run", "--json")
    assert planned.returncode == 7, planned.stderr
    done = nxp("replay", EVENTS, "--run", run_id, "--json")
    assert done.returncode == 7, done.stderr
    assert re.search(r"rows still do not fit, all of them: \w+ is null in a required", done.stderr)
    (plan,), (unit,) = (validated("replay", said.stdout)["units"] for said in (planned, done))
    assert (plan["landed"], plan["rejected"]) == (unit["landed"], unit["rejected"])
    left = json.loads(nxp("rejects", EVENTS, "--json").stdout)
    assert {row["state"] for row in left if row["run_id"] == run_id} == {"superseded"}
    runs = json.loads(nxp("runs", "--json").stdout)
    assert (runs[0]["trigger"], runs[0]["state"]) == ("replay", "partly")
    reports = nxp("sql", "SELECT trigger FROM _runs ORDER BY started_at", "--json")
    assert [row["trigger"] for row in json.loads(reports.stdout)][-1] == "replay"
    stale = nxp("replay", EVENTS, "--run", run_id)
    assert stale.returncode == 8
    assert nxp("replay", EVENTS, "--run", "nope").returncode == 2
    (protected,) = (here.lake.folder / "_rejects_raw").glob(f"*/*{run_id}*")
    protected.unlink()
    missing = nxp("rejects", EVENTS, "--raw", "--run", run_id)
    assert (missing.returncode, len(missing.stderr.strip().splitlines())) == (3, 1)
