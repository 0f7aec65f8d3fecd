"""Runs actions in processes that kill themselves at their n-th step: victims for tests.

Usage: python -m tests.act_victim; then a line of JSON on stdin for each run:
{"action": NAME, "now": ISO, "kill_at": step or null}. Each runs without Prefect in a fork of this
process, which has done the imports. Steps are those of tests.steps. Each run is answered with a
line of JSON: how it ended, and how many steps it took.
"""

import gc
import json
import os
import signal
import sys
import time
from datetime import datetime
from typing import Any

from connectors.errors import PipelineError
from sandbox.clock import TenantClock
from tasks.act.asked import ActionAsked
from tasks.act.run import choose_action
from tasks.stories import act as stories
from tests.steps import Reached, Step, at_each_step


class Steps:
    """Counts steps, and kills the process at one of them."""

    def __init__(self, kill_at: Step | None) -> None:
        self.taken = 0
        self._is_reached = Reached(kill_at) if kill_at else None

    def take(self, is_request: bool) -> None:
        """Count a step, or die."""
        self.taken += 1
        if self._is_reached and self._is_reached(is_request):
            os.kill(os.getpid(), signal.SIGKILL)


def doze(seconds: float) -> None:
    """Poll exports no longer than the stand-in takes."""
    time.sleep(min(seconds, 0.01))


def live(asked: dict[str, Any]) -> int:
    """Run one action and return the exit code, or die on the way."""
    steps = Steps(asked["kill_at"])
    clock = TenantClock(datetime.fromisoformat(asked["now"])).now
    code = 0
    try:
        with at_each_step(steps.take):
            chosen = choose_action(asked["action"])
            stories.act(chosen, ActionAsked(wait=False), clock=clock, sleep=doze)
    except PipelineError as error:
        code = error.exit_code
    os.write(int(asked["tell"]), str(steps.taken).encode())
    return code


def main() -> None:
    """Fork a victim for each line."""
    # What is here already stays: victims that look through it would copy every page of it.
    gc.freeze()
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    for line in sys.stdin:
        asked = json.loads(line)
        read, asked["tell"] = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(live(asked))
        os.close(asked["tell"])
        _, status = os.waitpid(child, 0)
        taken = int(os.read(read, 100) or 0)
        os.close(read)
        code = os.waitstatus_to_exitcode(status)
        ended = {"code": code, "steps": taken}
        print(json.dumps(ended), flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
