"""The stack as `nxp stack up` starts it, in a folder of its own, for tests that need it whole."""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.answers import validated
from tests.commands import environment

Result = subprocess.CompletedProcess[str]
SECONDS = 300


@dataclass(frozen=True)
class RunningStack:
    """A stack, and how to use it."""

    home: Path

    @property
    def outside(self) -> dict[str, str]:
        """The environment of a shell that only knows NXP_HOME."""
        return environment(NXP_HOME=str(self.home))

    @property
    def inside(self) -> dict[str, str]:
        """The environment of a shell after `eval "$(nxp stack env)"`."""
        printed = self.stack("env")
        assert printed.returncode == 0, printed.stderr
        lines = printed.stdout.splitlines()
        pairs = [re.fullmatch(r"export ([A-Z_]+)=(.*)", line) for line in lines]
        return self.outside | {
            pair[1]: shlex.split(pair[2])[0] if pair[2] else "" for pair in pairs if pair
        }

    def stack(self, *words: str) -> Result:
        """Run a command on the stack."""
        return self._run("nxp", "stack", *words, env=self.outside)

    def nxp(self, *words: str) -> Result:
        """Run a command that uses the stack."""
        return self._run("nxp", *words, env=self.inside)

    def prefect(self, *words: str) -> Result:
        """Run a Prefect command against the stack."""
        return self._run("prefect", *words, env=self.inside)

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return the state of each part, by name."""
        return {
            part["part"]: part
            for part in validated("stack status", self.stack("status", "--json").stdout)
        }

    def processes(self) -> list[psutil.Process]:
        """Return the processes that run in the stack's folder or were started by it."""
        found = []
        for process in psutil.process_iter():
            try:
                texts = [*process.cmdline(), *process.environ().values(), process.cwd()]
                gone = process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if any(str(self.home) in text for text in texts) and not gone:
                found.append(process)
        return found

    def _run(self, *words: str, env: dict[str, str]) -> Result:
        return subprocess.run(
            [sys.executable, "-m", *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@contextmanager
def stack_home() -> Iterator[RunningStack]:
    """Create a folder for a stack; what still runs there at the end is stopped."""
    # Not in tmp_path: PostgreSQL's user has to pass through it when root runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="nxp-stack-"))
    stack = RunningStack(folder / "home")
    try:
        yield stack
    finally:
        stack.stack("down")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_stack(*options: str) -> Iterator[RunningStack]:
    """Start a stack, a small one unless options say otherwise, and stop it at the end."""
    with stack_home() as stack:
        started = stack.stack("up", "--workers", "1", "--devices", "40", "--days", "3", *options)
        assert started.returncode == 0, started.stderr
        yield stack
