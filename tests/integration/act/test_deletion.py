"""Deleting devices: nothing without approval, nothing seen since, nothing twice, on the sandbox."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import DataRefusedError, PipelineError
from connectors.ledger import Ledger, Verdict, open_ledger
from connectors.ledger.action_requests import RequestState
from sandbox.tenant import Tenant
from tasks.act.deletion.report import DeletionReport
from tasks.stories.deletion import delete_devices, deletion_status, plan_deletion
from tests.commands import called, environment
from tests.landing import CATALOG, Place, place

HOURS = timedelta(hours=1)
KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "8"))


@dataclass
class Deleting:
    """An installation, and the devices of its tenant that were not seen for a day."""

    place: Place
    folder: Path
    shown: list[DeletionReport] = field(default_factory=list)

    @property
    def tenant(self) -> Tenant:
        return self.place.tenant

    def stale(self) -> list[dict[str, Any]]:
        rows = self.tenant.frame("#device_deletion").to_dicts()
        old = self.tenant.clock.now() - timedelta(days=1)
        return [row for row in rows if row["device.last_seen"] < old]

    def file(self, *lines: str) -> str:
        path = self.folder / "devices.txt"
        path.write_text("\n".join(lines), "utf-8")
        return str(path)

    def plan(self, uids: Sequence[str], batch: int = 100) -> DeletionReport:
        clock = self.tenant.clock.now
        return plan_deletion(self.file(*uids), self.shown.append, batch=batch, clock=clock)

    def approved(self, uids: Sequence[str], batch: int = 100) -> DeletionReport:
        made = self.plan(uids, batch)
        with self.ledger() as ledger:
            ledger.action_plans.judge(made.plan_id, Verdict("Ann", "old"), approved=True)
        return made

    def delete(
        self, made: DeletionReport, wait: timedelta | None = None, sha256: str | None = None
    ) -> tuple[int, DeletionReport | None]:
        """Return the exit code and the report, None if nothing was shown."""
        self.shown.clear()
        code = 0
        try:
            delete_devices(
                made.plan_id,
                sha256 or made.sha256,
                self.shown.append,
                wait=wait,
                clock=self.tenant.clock.now,
                sleep=self.sleep,
            )
        except PipelineError as error:
            code = error.exit_code
        return code, self.shown[-1] if self.shown else None

    def sleep(self, seconds: float) -> None:
        self.tenant.clock.advance(timedelta(seconds=seconds))
        # Exports take real time.
        time.sleep(0.02)

    def asked(self) -> Counter[str]:
        """Count how often the tenant accepted the deletion of each device."""
        accepted = self.tenant.deletions.accepted
        return Counter(uid for deletion in accepted for uid, _, _ in deletion.devices)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with open_ledger(
            self.place.environment["NXP_LEDGER_URL"], "sandbox.eu", self.tenant.clock.now
        ) as opened:
            yield opened


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deleting]:
    queries = tmp_path / "queries"
    shutil.copytree(CATALOG / "queries", queries)
    options = {"devices": 120, "days": 1, "deletion_time": 0, "queries": queries}
    with place(tmp_path, now=None, **options) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield Deleting(made, tmp_path)


def uids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["device.collector.uid"] for row in rows]


def test_nothing_is_deleted_that_was_seen_renamed_or_gone_since_the_plan(here: Deleting) -> None:
    stale = here.stale()[:5]
    awake, gone, *others = stale
    made = here.approved([*uids(stale), "nobody"], batch=2)
    assert (made.targets, made.requests, made.excluded) == (5, 3, {"unknown": 1})
    file = next(Path(here.place.environment["NXP_LAKE"]).rglob(f"{made.plan_id}.parquet"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Between plan and run.
    here.tenant.presence.wake(awake["device.uid"], here.tenant.clock.now())
    here.tenant.presence.delete([gone["device.uid"]], here.tenant.clock.now())
    code, report = here.delete(made)
    assert report
    assert (code, report.state) == (7, "partly")
    assert report.outcomes == {"scheduled": 3, "left_out": 2}
    reasons = {each.device: each.reason for each in report.devices}
    assert reasons[awake["device.collector.uid"]] == "seen_since"
    assert reasons[gone["device.collector.uid"]] == "unknown"
    assert here.asked() == Counter(uids(others))
    # The first request had nobody left, so it was not made.
    assert len(here.tenant.deletions.accepted) == 2
    sent = {uid: name for each in here.tenant.deletions.accepted for uid, name, _ in each.devices}
    assert sent == {row["device.collector.uid"]: row["device.name"] for row in others}
    # Again: nothing is sent, and what is gone shows.
    code, report = here.delete(made)
    assert report
    assert (code, report.outcomes) == (7, {"deleted": 3, "left_out": 2})
    assert here.asked() == Counter(uids(others))


def test_a_device_that_comes_online_between_two_batches_stays(here: Deleting) -> None:
    stale = here.stale()[:2]
    made = here.approved(uids(stale), batch=1)
    here.tenant.faults.add("429-date@act:1")
    here.tenant.faults.retry_after = 3600
    code, report = here.delete(made)
    assert report
    assert (code, report.outcomes) == (5, {"not_sent": 2})
    here.tenant.clock.advance(2 * HOURS)
    here.tenant.presence.wake(stale[1]["device.uid"], here.tenant.clock.now())
    code, report = here.delete(made)
    assert report
    assert (code, report.outcomes) == (7, {"scheduled": 1, "left_out": 1})
    assert here.asked() == Counter(uids(stale[:1]))


def test_a_plan_needs_a_person_its_hash_and_a_world_that_stands_still(here: Deleting) -> None:
    first, second = uids(here.stale()[:2])
    made = here.plan([first])
    code, report = here.delete(made)
    assert report
    assert (code, report.state, report.plan_state) == (8, "planned", "planned")
    with here.ledger() as ledger:
        ledger.action_plans.judge(made.plan_id, Verdict("Ann", "no"), approved=False)
    assert here.delete(made)[0] == 8
    made = here.approved([first])
    assert here.delete(made, sha256="0" * 64) == (8, None)
    other = here.approved([second])
    assert here.delete(made)[0] == 0
    # Devices were deleted since, and later it is too old.
    assert here.delete(other) == (8, None)
    other = here.approved([second])
    here.tenant.clock.advance(25 * HOURS)
    assert here.delete(other) == (8, None)
    assert here.asked() == Counter([first])
    # A file that is not the one that was made.
    tampered = here.approved([second])
    file = next(Path(here.place.environment["NXP_LAKE"]).rglob(f"{tampered.plan_id}.parquet"))
    file.write_bytes(file.read_bytes() + b" ")
    assert here.delete(tampered) == (8, None)


def test_a_lost_answer_is_settled_by_what_is_gone_and_never_sent_again(here: Deleting) -> None:
    chosen = uids(here.stale()[:3])
    here.tenant.deletions.seconds = 600
    made = here.approved(chosen, batch=1)
    here.tenant.faults.add("timeout-after@act:1")
    code, report = here.delete(made)
    assert report
    assert (code, report.outcomes) == (5, {"in_doubt": 1, "not_sent": 2})
    # Its device is still there: it stays in doubt, and the rest is sent.
    code, report = here.delete(made)
    assert report
    assert (code, report.outcomes) == (7, {"scheduled": 2, "in_doubt": 1})
    # No other plan takes it.
    assert here.plan(chosen[:1]).excluded == {"in_doubt": 1}
    code, report = here.delete(made, wait=timedelta(minutes=30))
    assert report
    assert code == 7
    now = here.tenant.clock.now
    shown = deletion_status(made.plan_id, refresh=True, clock=now, sleep=here.sleep)
    assert shown.outcomes == {"deleted": 3}
    assert here.delete(made)[0] == 0
    assert here.asked() == Counter(chosen)
    with here.ledger() as ledger:
        assert {each.state for each in ledger.actions.requests()} == {"requested"}


@pytest.mark.slow
def test_a_request_that_was_never_done_is_for_a_person_to_settle(here: Deleting) -> None:
    (uid,) = uids(here.stale()[:1])
    made = here.approved([uid])
    here.tenant.faults.add("500@act:1")
    assert here.delete(made)[0] == 5
    here.tenant.clock.advance(HOURS)
    code, report = here.delete(made)
    assert report
    assert (code, report.devices[0].reason) == (5, RequestState.NOT_SEEN.value)
    assert here.asked() == Counter()
    with here.ledger() as ledger:
        (request,) = ledger.actions.requests()
        ledger.actions.resolve(request.intent_id, sent=False, why="it is still there")
    code, report = here.delete(here.approved([uid]), wait=timedelta(minutes=1))
    assert report
    assert (code, report.state, report.outcomes) == (0, "done", {"deleted": 1})
    assert here.asked() == Counter([uid])


@pytest.mark.slow
def test_what_the_tenant_refuses_is_told_device_by_device_or_as_a_whole(here: Deleting) -> None:
    chosen = uids(here.stale()[:4])
    here.tenant.deletions.failure_share = 0.5
    code, report = here.delete(here.approved(chosen, batch=2))
    assert report
    assert (code, sum(report.outcomes.values())) == (7, 4)
    failed = [each.device for each in report.devices if each.outcome == "refused"]
    assert 0 < len(failed) < 4
    assert {each.reason for each in report.devices if each.outcome == "refused"} == {"failed"}
    here.tenant.deletions.failure_share = 1
    code, report = here.delete(here.approved([str(each) for each in failed]))
    assert report
    assert (code, report.outcomes) == (6, {"refused": len(failed)})
    here.tenant.deletions.limit = 1
    left = uids(here.stale()[:3])
    code, report = here.delete(here.approved(left, batch=2))
    assert report
    assert (code, report.outcomes) == (6, {"refused": 2, "not_sent": 1})
    assert "BATCH_SIZE_EXCEEDED" in (report.error or "")


def test_an_inventory_that_is_not_complete_decides_nothing(here: Deleting) -> None:
    (uid,) = uids(here.stale()[:1])
    made = here.approved([uid])
    query = here.folder / "queries" / "device_deletion.nql"
    listed = query.read_text("utf-8")
    nobody = 'devices\n| where device.name == "nobody"\n| list device.uid, device.collector.uid'
    for text in (
        f"{nobody}, device.name, device.last_seen",
        listed.replace(", device.last_seen", ""),
    ):
        query.write_text(text, "utf-8")
        assert here.delete(made)[0] == 6
        with pytest.raises(DataRefusedError, match="nothing was decided"):
            here.plan([uid])
    query.write_text(listed, "utf-8")
    assert here.asked() == Counter()
    assert here.delete(made)[0] == 0


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


@pytest.mark.slow
def test_killed_between_two_batches_each_device_is_deleted_once(
    here: Deleting, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = uids(here.stale()[:6])
    made = here.approved(chosen, batch=2)
    # The second request is done, and its answer never comes.
    here.tenant.faults.delay = 30
    words = ["devices", "delete", "--plan", made.plan_id, "--hash", made.sha256[:12]]
    env = environment(here.place, PYTHONPATH=str(CATALOG.parent))
    here.tenant.faults.add("timeout-after@act:1")
    with subprocess.Popen(
        [sys.executable, "-m", "nxp", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        until(lambda: len(here.tenant.deletions.accepted) == 1)
        process.kill()
    here.tenant.faults.delay = 0
    with here.ledger() as ledger:
        states = [each.state for each in ledger.actions.requests()]
    assert states == ["sending", "intent", "intent"]
    again = called(*words, "--json", capsys=capsys)
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert answer["outcomes"] == {"deleted": 2, "scheduled": 4}
    assert here.asked() == Counter(chosen)
    assert len(here.tenant.deletions.accepted) == 3


@pytest.mark.chaos
def test_random_kills_delete_nothing_twice_and_nothing_that_woke(
    here: Deleting, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(1)
    stale = here.stale()
    made = here.approved(uids(stale), batch=1)
    words = ("devices", "delete", "--plan", made.plan_id)
    env = environment(here.place, PYTHONPATH=str(CATALOG.parent))
    here.tenant.faults.delay = 0.5
    asleep, woken = list(stale), set[str]()
    for _ in range(KILLS):
        here.tenant.faults.add(chance.choice(["timeout-after@act:1", "500@act:1", "reset@act:1"]))
        with subprocess.Popen(
            [sys.executable, "-m", "nxp", *words],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(chance.uniform(1, 3))
            process.kill()
        asleep = [row for row in asleep if row["device.collector.uid"] not in here.asked()]
        if asleep:
            row = asleep.pop(chance.randrange(len(asleep)))
            here.tenant.presence.wake(row["device.uid"], here.tenant.clock.now())
            woken.add(row["device.collector.uid"])
    here.tenant.faults.clear()
    ended = called(*words, "--json", capsys=capsys)
    assert ended.returncode == 7, ended.stderr
    answer = json.loads(ended.stdout)
    assert set(here.asked().values()) == {1}
    assert not woken & here.asked().keys()
    outcomes = {each["device"]: each["outcome"] for each in answer["devices"]}
    there = set(uids(here.tenant.frame("#device_deletion").to_dicts()))
    assert all(outcomes[uid] in ("deleted", "scheduled") for uid in here.asked())
    assert {uid for uid in outcomes if uid not in there} == here.asked().keys()


def test_commands_show_a_plan_ask_for_approval_and_say_how_it_goes_on(
    here: Deleting, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = here.stale()[:1]
    file = here.file(row["device.name"], "nobody")
    first = called("devices", "delete", "--file", file, capsys=capsys)
    assert first.returncode == 8
    assert "nxp devices approve --plan" in first.stderr
    assert "nobody" not in first.stderr
    empty = called("devices", "delete", "--file", here.file("nobody"), capsys=capsys)
    assert (empty.returncode, "not one of the 1 devices" in empty.stderr) == (6, True)
    assert here.asked() == Counter()
    for words in (
        ("delete",),
        ("delete", "--file", file, "--plan", "x"),
        ("delete", "--file", file, "--hash", "x"),
        ("plan", "--file", file, "--batch", "101"),
        ("plan", "--file", here.file("")),
        ("plan", "--file", "/nowhere"),
        ("status", "--plan", "x"),
        ("approve", "--plan", "x", "--who", "a", "--why", "b"),
    ):
        refused = called("devices", *words, capsys=capsys)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
