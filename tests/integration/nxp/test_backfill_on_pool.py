"""`nxp backfill --on POOL`, with a real Prefect server and real workers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from connectors.ledger import open_ledger
from tests.commands import Result, environment, nxp
from tests.landing import Place, place

ROOT = Path(__file__).resolve().parents[3]
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=4)
DATED = ("crashes", "--from", f"{START:%Y-%m-%d}", "--to", f"{TODAY:%Y-%m-%d}", "--step", "6h")


class Pool:
    """A work pool with the shipped back-fill deployment, an installation, and its workers."""

    def __init__(self, made: Place, api: str, ledger_url: str) -> None:
        self.place = made
        self.api = api
        self.ledger_url = ledger_url
        self.began = datetime.now(UTC)
        home = str(made.folder / "prefect")
        self.env = environment(
            made,
            PREFECT_API_URL=api,
            PREFECT_HOME=home,
            NXP_LEDGER_URL=ledger_url,
            DO_NOT_TRACK="1",
            PREFECT_WORKER_QUERY_SECONDS="1",
            NEXTHINK_EXPORTS_AT_ONCE="4",
            NXP_EXPORTS_PER_WORKER="2",
        )

    def deploy(self) -> None:
        """Create the pool and the deployment."""
        self._prefect("work-pool", "create", "nexthink", "--type", "process", "--overwrite")
        file = str(ROOT / "deployments" / "prefect.yaml")
        self._prefect("--no-prompt", "deploy", "--name", "backfill", "--prefect-file", file)

    def _prefect(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def worker(self, name: str) -> Iterator[psutil.Process]:
        """Run a worker that takes two runs at once; its runs end when it ends."""
        words = ("worker", "start", "--pool", "nexthink", "--limit", "2", "--name", name)
        log = self.place.folder / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *words],
                env=self.env,
                cwd=self.place.folder,
                stdout=out,
                stderr=out,
            )
            try:
                yield psutil.Process(process.pid)
            finally:
                kill(process.pid)
                process.wait()

    def landed(self) -> int:
        """Return how many windows have landed."""
        ledger = open_ledger(self.ledger_url, f"{self.place.tenant.instance}.eu")
        try:
            return sum(record.landed_at is not None for record in ledger.units("crashes"))
        finally:
            ledger.close()

    def flow_runs(self) -> list[dict[str, object]]:
        """Return the flow runs of chunks that were asked for since this test began."""
        # The server has hundreds of runs planned by the schedules of other tests.
        wanted = {"limit": 200, "flows": {"name": {"any_": ["nql-backfill"]}}}
        answer = httpx.post(f"{self.api}/flow_runs/filter", json=wanted).json()
        chunks = [(run, run["parameters"].get("chunk")) for run in answer]
        asked = [(run, datetime.fromisoformat(chunk["asked_at"])) for run, chunk in chunks if chunk]
        return [run for run, asked_at in asked if asked_at > self.began]

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "nxp", "backfill", *DATED, "--on", "nexthink", *words],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def kill(pid: int) -> None:
    """Kill a process and everything it started, as the loss of its machine would."""
    try:
        family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue


def until(
    asked: subprocess.Popen[str], condition: Callable[[], bool], seconds: float = 120
) -> None:
    """Wait until a condition holds, while a command runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert asked.poll() is None, asked.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def pool(
    tmp_path: Path, prefect_server: str, ledger_url: str, request: pytest.FixtureRequest
) -> Iterator[Pool]:
    """An installation with a ledger, and a tenant whose exports take a while, in seconds."""
    export_time = getattr(request, "param", 0.8)
    # A tenant of its own: a run that a test leaves as Running still holds that tenant's windows.
    instance = f"pool-{uuid4().hex[:8]}"
    with place(tmp_path, now=None, export_time=export_time, instance=instance) as made:
        yield Pool(made, prefect_server, ledger_url)


# Exports take so long that windows are left when the same command is given again.
@pytest.mark.parametrize("pool", [3.0], indirect=True)
@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_workers_share_a_back_fill_one_is_killed_another_joins_and_all_of_it_lands(
    pool: Pool,
) -> None:
    pool.deploy()
    with pool.worker("first") as first, pool.worker("second"):
        asked = pool.begin("--chunk", "4", "--json")
        until(asked, lambda: pool.landed() >= 3)
        # The same command starts nothing that is already under way, and shows the progress.
        again = pool.begin("--chunk", "4", "--no-wait")
        said = again.communicate(timeout=120)[1]
        assert again.returncode == 0, said
        assert "0 runs started" in said, said
        assert len(pool.flow_runs()) == 4
        kill(first.pid)
        with pool.worker("third"):
            out, err = asked.communicate(timeout=240)
    assert asked.returncode == 0, err
    report = json.loads(out)
    assert (report["landed"], report["failed"], report["left"]) == (16, 0, 0)
    assert pool.landed() == 16
    assert 16 <= pool.place.tenant.requests["export"] <= 16 + 2
    assert pool.place.tenant.leaks == []


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_ctrl_c_leaves_the_runs_going_and_what_failed_is_started_again(pool: Pool) -> None:
    pool.deploy()
    asked = pool.begin("--chunk", "16")
    until(asked, lambda: len(pool.flow_runs()) == 1)
    asked.send_signal(signal.SIGINT)
    said = asked.communicate(timeout=60)[1]
    assert asked.returncode == 130, said
    assert "runs on the pool continue" in said
    # The tenant refuses the query, once: the window fails, the run ends as partly done.
    pool.place.tenant.faults.add("404@export:1")
    with pool.worker("only"):
        partly = pool.begin("--chunk", "16").communicate(timeout=120)[1]
        assert "1 failed" in partly, partly
        deadline = time.monotonic() + 120
        while not all(run["end_time"] for run in pool.flow_runs()):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        again = pool.begin("--chunk", "16", "--json")
        out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    report = json.loads(out)
    assert report["landed"] == report["windows"] > 0
    assert pool.landed() == 16
    assert len(pool.flow_runs()) == 2


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_without_a_server_or_a_deployment_it_says_what_to_do(pool: Pool) -> None:
    def ended(**env: str) -> Result:
        words = ("backfill", *DATED, "--on", "nowhere")
        return nxp(*words, env={name: value for name, value in (pool.env | env).items() if value})

    nowhere = ended()
    assert nowhere.returncode == 3, nowhere.stderr
    assert "nxp deploy" in nowhere.stderr.splitlines()[-1]
    silent = ended(PREFECT_API_URL="http://127.0.0.1:9/api")
    assert silent.returncode == 5, silent.stderr
    none = ended(PREFECT_API_URL="")
    assert none.returncode == 5, none.stderr
    assert "nxp server start" in none.stderr.splitlines()[-1]
