"""Runs one action in a process of its own, without Prefect: a victim for tests that stop it.

Usage: python -m tests.act_once NOW ACTION; prints `ready` when it starts to work. The clock of the
process starts at NOW, like the tenant's. SIGTERM ends it as it ends a command.
"""

import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.act.asked import ActionAsked
from tasks.act.run import choose_action
from tasks.stories import act as stories
from tests.victims import heed_sigterm


def main() -> None:
    """Plan and send, as the flow does."""
    heed_sigterm()
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    chosen = choose_action(sys.argv[2])
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    stories.act(chosen, ActionAsked(wait=False), clock=clock)


if __name__ == "__main__":
    main()
