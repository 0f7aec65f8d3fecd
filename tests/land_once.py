"""Lands one dataset in a process of its own, without Prefect: a victim for tests that kill.

Usage: python -m tests.land_once NOW DATASET [FROM TO [ONLY]]; prints `ready` when it starts to
work. The clock of the process starts at NOW, like the tenant's. SIGTERM ends it as it ends a
command.
"""

import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.land.backfill import begin_backfill, finish_backfill
from tasks.land.plan import Asked, Only, plan_run
from tasks.land.report import raise_unless_complete, settle
from tasks.land.run import open_run
from tasks.land.units import land_all
from tests.victims import heed_sigterm


def main() -> None:
    """Land all units, as the flow does."""
    heed_sigterm()
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    dataset, start, end, only = (*sys.argv[2:], None, None, None)[:4]
    plan = plan_run(Asked(str(dataset), start, end, only=Only(only) if only else None), clock)
    print("ready", flush=True)  # noqa: T201 - the killer waits for it
    with open_run(plan, clock) as run:
        run.ledger.begin_run(run.run_id, run.dataset, plan.trigger)
        begin_backfill(run)
        landed = land_all(run, plan.units, plan.asked.concurrency)
        report = settle(run, landed)
        finish_backfill(run, landed)
        raise_unless_complete(landed, report)


if __name__ == "__main__":
    main()
