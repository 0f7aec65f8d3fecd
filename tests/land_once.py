"""Lands one dataset in a process of its own, without Prefect: a victim for tests that kill.

Usage: python -m tests.land_once NOW DATASET [FROM TO [ONLY]]; prints `ready` when it starts to
work. The clock of the process starts at NOW, like the tenant's. SIGTERM ends it as it ends a
command.
"""

import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.land.asked import Asked, Only
from tasks.land.plan import plan_run
from tasks.stories.export import land_plan
from tests.victims import heed_sigterm


def main() -> None:
    """Land all units, as the flow does."""
    heed_sigterm()
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    dataset, start, end, only = (*sys.argv[2:], None, None, None)[:4]
    plan = plan_run(Asked(str(dataset), start, end, only=Only(only) if only else None), clock)
    print("ready", flush=True)  # noqa: T201 - the killer waits for it
    land_plan(plan, clock)


if __name__ == "__main__":
    main()
