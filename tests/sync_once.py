"""Runs the sync of tests.syncing in a process of its own, without Prefect: a victim for tests.

Usage: python -m tests.sync_once NOW; prints `ready` when it begins to work. NOW is where the
process's clock starts, as the tenant's does. SIGTERM ends it as it ends a command.
"""

import signal
import sys
from datetime import datetime
from types import FrameType
from typing import NoReturn

from sandbox.clock import TenantClock
from tasks.sync.asked import SYNC, Asked
from tasks.sync.run import choose, open_sync
from tasks.sync.running import run_sync
from tests.syncing import SYNC_NAME


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Plan and apply, as the flow does."""
    signal.signal(signal.SIGTERM, _terminate)
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    chosen = choose(SYNC_NAME)
    print("ready", flush=True)  # noqa: T201 - the killer waits for it
    with open_sync(chosen, SYNC, clock) as run:
        run_sync(run, Asked(verify=False))


if __name__ == "__main__":
    main()
