"""A worker that is stopped, on a real Prefect server: its flow runs end, the next run resumes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, text

from tests.commands import called, environment
from tests.installed import own_packages
from tests.landing import Place, place

POOL = "nexthink"
DAYS = 8


def prefect(*words: str, env: dict[str, str]) -> None:
    """Run a Prefect command."""
    subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        env=env,
        cwd=Path(__file__).resolve().parents[3],
        check=True,
        capture_output=True,
    )


@contextmanager
def working(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, which is stopped at the end at the latest.

    It runs where somebody keeps packages of their own that have our names, also on PYTHONPATH.
    """
    folder = own_packages(log.with_suffix(".project"))
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "nxp", "worker", POOL],
            env=env | {"PYTHONPATH": str(folder)},
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


def begin(api: str) -> str:
    """Start a run of the deployment over eight windows, two at once."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {
        "dataset": "crashes",
        "window_from": f"{today - timedelta(days=DAYS):%Y-%m-%d}",
        "window_to": f"{today:%Y-%m-%d}",
        "concurrency": 2,
        "only": "missing",
    }
    deployment = httpx.get(f"{api}/deployments/name/nql-backfill/backfill").json()["id"]
    made = httpx.post(
        f"{api}/deployments/{deployment}/create_flow_run", json={"parameters": asked}
    ).json()
    return str(made["id"])


def state(api: str, run: str) -> str:
    """Return the state of a flow run."""
    return str(httpx.get(f"{api}/flow_runs/{run}").json()["state"]["type"])


def await_(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def made(tmp_path: Path, prefect_server: str) -> Iterator[tuple[Place, dict[str, str]]]:
    """A tenant at the machine's time whose exports take two seconds, and the deployments."""
    with place(tmp_path, now=None, export_time=2.0) as tenant:
        env = environment(
            tenant,
            PREFECT_API_URL=prefect_server,
            PREFECT_HOME=str(tmp_path / "prefect"),
            NXP_LOG="json",
        )
        prefect("work-pool", "create", POOL, "--type", "process", "--overwrite", env=env)
        file = "deployments/prefect.yaml"
        prefect("--no-prompt", "deploy", "--name", "backfill", "--prefect-file", file, env=env)
        yield tenant, env


def test_a_worker_lets_its_flow_runs_end_and_the_next_run_does_the_rest(
    made: tuple[Place, dict[str, str]],
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tenant, env = made
    with working(env, tmp_path / "worker.log") as worker:
        run = begin(prefect_server)
        await_(lambda: tenant.tenant.requests["export"] >= 3)
        began = time.monotonic()
        worker.terminate()
        assert worker.wait(60) == 143
        assert time.monotonic() - began < 20
    # The flow run reported this itself, so its slot in the concurrency limit is free.
    assert state(prefect_server, run) == "CRASHED"
    begun = tenant.tenant.requests["export"]
    assert 3 <= begun < DAYS
    engine = create_engine(env["NXP_LEDGER_URL"])
    with engine.connect() as connection:
        held = connection.scalar(text("SELECT count(*) FROM units WHERE holder IS NOT NULL"))
    engine.dispose()
    assert held == 0
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def newest() -> dict[str, Any]:
        shown = called("runs", "crashes", "--json", "--limit", "1", capsys=capsys)
        (found,) = json.loads(shown.stdout)
        return dict(found)

    assert (newest()["state"], newest()["units"]) == ("interrupted", begun)
    with working(env, tmp_path / "second.log") as worker:
        run = begin(prefect_server)
        await_(lambda: state(prefect_server, run) == "COMPLETED")
        (of_prefect,) = psutil.Process(worker.pid).children()
        worker.kill()
        # Otherwise Prefect's worker would keep taking runs, and nothing could stop it.
        await_(lambda: not of_prefect.is_running() or of_prefect.status() == "zombie")
    assert (newest()["state"], newest()["units"]) == ("landed", DAYS - begun)
    # Nothing was exported twice.
    assert tenant.tenant.requests["export"] == DAYS
    lines = (tmp_path / "worker.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert "1 flow runs have 35 s to end" in logged[-1]["message"]
    assert logged[0]["tenant"] == "sandbox.eu"
    assert logged[0]["flow_run_id"]
