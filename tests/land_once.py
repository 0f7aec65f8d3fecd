"""Lands one dataset in a process of its own, without Prefect: a victim for tests that kill.

Usage: python -m tests.land_once NOW DATASET [FROM TO]; prints `ready` when it begins to work.
NOW is where the process's clock starts, as the tenant's does.
"""

import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.land import land_unit
from tasks.report import build_report, save_report
from tasks.run import Asked, open_run, plan_run


def main() -> None:
    """Land all units, as the flow does."""
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    dataset, start, end = (*sys.argv[2:], None, None)[:3]
    plan = plan_run(Asked(str(dataset), start, end), clock)
    print("ready", flush=True)  # noqa: T201 - the killer waits for it
    with open_run(plan, clock) as run:
        run.ledger.begin_run(run.run_id, run.dataset, plan.trigger)
        outcomes = [land_unit(run, unit) for unit in plan.units]
        save_report(run, build_report(run, outcomes))


if __name__ == "__main__":
    main()
