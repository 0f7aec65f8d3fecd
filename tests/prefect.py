"""Commands on a real Prefect server: forms that are answered, values that are marked."""

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
    """Wait for a command; what it wrote has no marked value."""
    out, err = process.communicate(timeout=240)
    assert MARK not in out + err
    return Result(process.args, process.returncode, out, err)


def waiting_run(api: str, name: str) -> dict[str, Any]:
    """Wait until a flow run is paused whose name begins like this."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}, "name": {"like_": name}}}
        found = httpx.post(f"{api}/flow_runs/filter", json=asked).json()
        keys = found[0]["state"]["state_details"].get("run_input_keyset") if found else None
        if keys:
            # The form is there a moment after the state.
            path = f"{api}/flow_runs/{found[0]['id']}/input/{keys['schema']}"
            if httpx.get(path).status_code == httpx.codes.OK:
                run: dict[str, Any] = found[0]
                return run
        time.sleep(0.2)
    raise AssertionError(f"no flow run of {name} is paused")


def described(api: str, run: dict[str, Any]) -> str:
    """Give what the form of a paused run shows."""
    keys = run["state"]["state_details"]["run_input_keyset"]
    return httpx.get(f"{api}/flow_runs/{run['id']}/input/{keys['description']}").text


def answer(api: str, run: dict[str, Any], **form: Any) -> None:
    """Fill in the form of a paused run."""
    told = httpx.post(f"{api}/flow_runs/{run['id']}/resume", json={"run_input": form}).json()
    assert told["status"] == "ACCEPT", told


def unmarked(folder: Path, *but: str) -> None:
    """See that no marked value is in any file of a folder, beside the private ones."""
    for path in folder.rglob("*"):
        if path.is_file() and not any(part in str(path.relative_to(folder)) for part in but):
            with suppress(FileNotFoundError):
                assert MARK.encode() not in path.read_bytes(), path
