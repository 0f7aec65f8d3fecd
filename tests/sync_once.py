"""Runs the sync of tests.syncing in a process of its own, without Prefect: a victim for tests.

Usage: python -m tests.sync_once NOW; prints `ready` when it starts to work. The clock of the
process starts at NOW, like the tenant's. SIGTERM ends it as it ends a command.
"""

import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.stories import sync as stories
from tasks.sync.asked import SyncAsked
from tasks.sync.run import choose_sync
from tests.syncing import SYNC_NAME
from tests.victims import heed_sigterm


def main() -> None:
    """Plan and apply, as the flow does."""
    heed_sigterm()
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    chosen = choose_sync(SYNC_NAME)
    print("ready", flush=True)  # noqa: T201 - the killer waits for it
    stories.sync(chosen, SyncAsked(verify=False), clock=clock)


if __name__ == "__main__":
    main()
