"""Processes that tests stop: started as a user's command, or as a helper script."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from tests.forks import fork


def heed_sigterm() -> None:
    """Make SIGTERM end this process as it ends a command."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def start(module: str, *words: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a module of tests that prints `ready` when it starts to work."""
    process = fork(
        module,
        *words,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, while a process runs."""
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def stop(process: subprocess.Popen[str], *, times: int = 1) -> tuple[int, float, str]:
    """Send SIGTERM; return the exit code, the seconds it took, and the output."""
    began = time.monotonic()
    for number in range(times):
        if number:
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=90)
    return process.returncode, time.monotonic() - began, said


def ended(process: subprocess.Popen[str]) -> int:
    """Wait for a process to end by itself, and return the exit code."""
    process.communicate(timeout=90)
    return process.returncode
