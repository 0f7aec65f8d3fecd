"""Runs actions in processes that kill themselves at their n-th step: victims for tests.

Usage: python -m tests.act_victim; then a line of JSON on stdin for each run:
{"action": NAME, "now": ISO, "kill_at": N or null}. Each runs in a fork of this process, which has
done the imports, without Prefect. A step is an SQL statement, a commit, a request that acts before
it leaves, and one whose answer is there. Answers with a line of JSON: how it ended, and how many
steps it took.
"""

import json
import os
import signal
import sys
import time
from datetime import datetime
from typing import Any

import httpx
from sqlalchemy import Engine, event

from connectors.errors import PipelineError
from sandbox.clock import TenantClock
from tasks.act.asked import RUN, Asked
from tasks.act.run import choose, open_action
from tasks.act.running import run_act


class Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.taken = 0
        self._kill_at = kill_at

    def take(self, *_: object) -> None:
        """Take a step, or die."""
        self.taken += 1
        if self.taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(steps: Steps) -> None:
    """Count what reaches the outside world."""
    event.listen(Engine, "before_cursor_execute", steps.take)
    event.listen(Engine, "commit", steps.take)
    plain = httpx.HTTPTransport.handle_request

    def counted(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        acts = request.method == "POST" and "/nql/" not in request.url.path
        if not acts or request.url.path.endswith("/token"):
            return plain(self, request)
        steps.take()
        response = plain(self, request)
        response.read()
        steps.take()
        return response

    httpx.HTTPTransport.handle_request = counted  # type: ignore[method-assign]


def doze(seconds: float) -> None:
    """Wait for exports no longer than the stand-in takes."""
    time.sleep(min(seconds, 0.01))


def live(asked: dict[str, Any]) -> int:
    """Run one action; gives the exit code, or dies on the way."""
    steps = Steps(asked["kill_at"])
    watch(steps)
    clock = TenantClock(datetime.fromisoformat(asked["now"])).now
    code = 0
    try:
        with open_action(choose(asked["action"]), RUN, clock, doze) as run:
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
