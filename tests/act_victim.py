"""Runs actions in processes that kill themselves at their n-th step: victims for tests.

Usage: python -m tests.act_victim; then a line of JSON on stdin for each run:
{"action": NAME, "now": ISO, "kill_at": N or null}. Each runs in a fork of this process, which has
done the imports, without Prefect. Steps are those of tests.steps. Answers with a
line of JSON: how it ended, and how many steps it took.
"""

import json
import os
import signal
import sys
import time
from datetime import datetime
from typing import Any

from connectors.errors import PipelineError
from sandbox.clock import TenantClock
from tasks.act.asked import RUN, Asked
from tasks.act.run import choose, open_action
from tasks.act.running import run_act
from tests.steps import at_each_step


class Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.taken = 0
        self._kill_at = kill_at

    def take(self) -> None:
        """Take a step, or die."""
        self.taken += 1
        if self.taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def doze(seconds: float) -> None:
    """Wait for exports no longer than the stand-in takes."""
    time.sleep(min(seconds, 0.01))


def live(asked: dict[str, Any]) -> int:
    """Run one action; gives the exit code, or dies on the way."""
    steps = Steps(asked["kill_at"])
    clock = TenantClock(datetime.fromisoformat(asked["now"])).now
    code = 0
    try:
        with (
            at_each_step(steps.take),
            open_action(choose(asked["action"]), RUN, clock, doze) as run,
        ):
            run_act(run, Asked(wait=False))
    except PipelineError as error:
        code = error.exit_code
    os.write(int(asked["tell"]), str(steps.taken).encode())
    return code


def main() -> None:
    """Fork a victim for each line."""
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    for line in sys.stdin:
        asked = json.loads(line)
        read, asked["tell"] = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(live(asked))
        os.close(asked["tell"])
        _, status = os.waitpid(child, 0)
        taken = os.read(read, 100).decode()
        os.close(read)
        ended = {"code": os.waitstatus_to_exitcode(status), "steps": int(taken or 0)}
        print(json.dumps(ended), flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
