"""The command `nxp` as a user runs it, and in the test's own process, which is faster."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from nxp.cli import run
from tests.landing import CATALOG, Place

Result = subprocess.CompletedProcess[str]


def environment(place: Place | None = None, **extra: str) -> dict[str, str]:
    """Return what a user's shell would have, and nothing else."""
    base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NXP_CATALOG": str(CATALOG)}
    return base | dict(place.environment if place else {}) | extra


def nxp(*words: str, env: Mapping[str, str], cwd: Path | None = None) -> Result:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "nxp", *words],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def called(*words: str, capsys: pytest.CaptureFixture[str]) -> Result:
    """Run one command in this process, with its environment; not for commands that run a flow."""
    capsys.readouterr()
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = run(words)
    finally:
        signal.signal(signal.SIGTERM, before)
    wrote = capsys.readouterr()
    return Result(words, code, wrote.out, wrote.err)
