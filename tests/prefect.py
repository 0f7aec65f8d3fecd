"""Commands on a real Prefect server: answering forms, and finding marked values."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

MARK = "MARK-jane"
Result = subprocess.CompletedProcess[str]


def begin(env: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "nxp", *words],
        env={**env, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Result:
    """Wait for a command, and check that its output has no marked value."""
    out, err = process.communicate(timeout=240)
    assert MARK not in out + err
    return Result(process.args, process.returncode, out, err)


def waiting_run(api: str, name: str) -> dict[str, Any]:
    """Wait for a paused flow run whose name begins like this, and return it."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}, "name": {"like_": name}}}
        found = httpx.post(f"{api}/flow_runs/filter", json=asked).json()
        keys = found[0]["state"]["state_details"].get("run_input_keyset") if found else None
        if keys:
            # The form appears a moment after the state.
            path = f"{api}/flow_runs/{found[0]['id']}/input/{keys['schema']}"
            if httpx.get(path).status_code == httpx.codes.OK:
                run: dict[str, Any] = found[0]
                return run
        time.sleep(0.2)
    raise AssertionError(f"no flow run of {name} is paused")


def described(api: str, run: dict[str, Any]) -> str:
    """Return the text that the form of a paused run shows."""
    keys = run["state"]["state_details"]["run_input_keyset"]
    return httpx.get(f"{api}/flow_runs/{run['id']}/input/{keys['description']}").text


def answer(api: str, run: dict[str, Any], **form: Any) -> None:
    """Fill in the form of a paused run; a server whose SQLite is busy is asked again."""
    deadline = time.monotonic() + 60
    while True:
        resumed = httpx.post(f"{api}/flow_runs/{run['id']}/resume", json={"run_input": form})
        if resumed.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            break
        assert time.monotonic() < deadline, resumed.text
        time.sleep(0.5)
    assert resumed.json().get("status") == "ACCEPT", resumed.text


def unmarked(folder: Path, *but: str) -> None:
    """Check that no file in a folder, except the private ones, has a marked value."""
    for path in folder.rglob("*"):
        if path.is_file() and not any(part in str(path.relative_to(folder)) for part in but):
            with suppress(FileNotFoundError):
                assert MARK.encode() not in path.read_bytes(), path
