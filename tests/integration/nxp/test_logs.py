"""Structured logs: every line names its run, tenant, dataset and unit, and no more."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.logs import JsonLines, bound
from tests.commands import environment, nxp
from tests.landing import NOW, Place, place
from tests.prefect import MARK
from tests.syncing import syncing
from tests.victims import start

JSON = {"NXP_LOG": "json"}
PERIOD = ("crashes", "2026-11-17", "2026-11-20")


def lines(said: str) -> list[dict[str, Any]]:
    """Return one JSON object per line; anything else fails."""
    return [json.loads(line) for line in said.splitlines()]


def landed(made: Place, **env: str) -> tuple[int, str]:
    """Land three windows in a process of its own; return its exit code and stderr."""
    process = start("tests.land_once", NOW.isoformat(), *PERIOD, env={**made.environment, **env})
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_every_line_of_a_run_says_run_tenant_dataset_and_unit(tmp_path: Path) -> None:
    with place(tmp_path, faults=("503@status:2",)) as made:
        code, said = landed(made, **JSON)
        assert code == 0, said
        logged = lines(said)
        (run,) = {line["run_id"] for line in logged}
        assert {line["tenant"] for line in logged} == {"sandbox.eu"}
        assert {line["dataset"] for line in logged} == {"crashes"}
        retried = [line for line in logged if "attempt 1 of" in line["message"]]
        assert len(retried) == 2
        for line in retried:
            assert line["unit"].startswith("202611")
            assert (line["level"], line["logger"]) == ("info", "connectors.http.client")
            assert datetime.fromisoformat(line["time"]).tzinfo
        assert run
        for secret in (made.tenant.client_secret, "Bearer", "Signature"):
            assert secret not in said


def test_text_stays_what_a_person_gets(tmp_path: Path) -> None:
    with place(tmp_path) as made:
        assert landed(made) == (0, "")


def test_no_value_of_a_source_is_in_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with syncing(tmp_path, faults=("503@enrich:1",)) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        made.write([{"uid": uid, "owner": f"{MARK}-{uid}"} for uid in [*made.uids(), MARK]])
        now = made.place.tenant.clock.now().isoformat()
        process = start("tests.sync_once", now, env={**made.place.environment, **JSON})
        _, said = process.communicate(timeout=60)
        logged = lines(said.partition("Traceback")[0])
        assert logged
        assert {line["sync"] for line in logged} == {"assets"}
        assert MARK not in said


def test_a_mistake_is_one_object_too(tmp_path: Path) -> None:
    result = nxp("export", "nope", env=environment(NXP_HOME=str(tmp_path), NXP_LOG="json"))
    assert result.returncode == 2
    (logged,) = lines(result.stderr)
    assert logged["level"] == "error"
    assert "unknown dataset 'nope'" in logged["message"]
    wrong = nxp("runs", env=environment(NXP_HOME=str(tmp_path), NXP_LOG="xml"))
    assert wrong.returncode == 3
    assert "NXP_LOG" in wrong.stderr


def test_an_exception_is_told_by_its_kind_only() -> None:
    try:
        raise ValueError(MARK)  # noqa: TRY301 - as any library might
    except ValueError as error:
        trace = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("tasks", logging.ERROR, "", 1, "gone: %s", ("x",), trace)
    with bound(run_id="r", tenant=None):
        (logged,) = lines(JsonLines().format(record))
    assert (logged["exception"], logged["message"], logged["run_id"]) == (
        "ValueError",
        "gone: x",
        "r",
    )
    assert logged["at"].startswith("test_logs.py:")
    assert MARK not in json.dumps(logged)
    assert "tenant" not in logged


def test_prefect_shows_the_names_and_stderr_has_them_as_json(
    tmp_path: Path, prefect_server: str
) -> None:
    with place(tmp_path, now=None, faults=("503@status:1",)) as here:
        env = environment(here, PREFECT_API_URL=prefect_server, **JSON)
        day = datetime.now(UTC) - timedelta(days=2)
        dates = ("--from", f"{day:%Y-%m-%d}", "--to", f"{day + timedelta(days=1):%Y-%m-%d}")
        result = nxp("export", "crashes", *dates, env=env)
        assert result.returncode == 0, result.stderr
        logged = lines(result.stderr)
        of_run = [line for line in logged if "unit" in line]
        assert {line["logger"].partition(".")[0] for line in of_run} <= {"connectors", "tasks"}
        (flow_run,) = {line["flow_run_id"] for line in of_run}
        asked = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "limit": 200}
        shown = httpx.post(f"{prefect_server}/logs/filter", json=asked).json()
        retried = [log["message"] for log in shown if "attempt 1 of" in log["message"]]
        assert retried
        (unit,) = {line["unit"] for line in of_run}
        assert all(f"unit={unit}" in message for message in retried)
        assert all("tenant=sandbox.eu dataset=crashes" in message for message in retried)
