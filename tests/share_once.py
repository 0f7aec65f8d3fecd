"""Lands its part of a shared back-fill in a process of its own, without Prefect.

Usage: python -m tests.share_once NOW ASKED; ASKED is JSON with what the run is asked. Prints
`ready` when it starts to work, and how many windows it has landed, skipped and failed to land.
"""

import json
import sys
from datetime import datetime

from sandbox.clock import TenantClock
from tasks.land.asked import Asked, Only
from tasks.land.backfill import finish_backfill
from tasks.land.chunks import Chunk
from tasks.land.plan import plan_run
from tasks.land.report import raise_unless_complete, report_run
from tasks.land.run import open_run
from tasks.land.units import land
from tasks.stories.export import land_unit


def main() -> None:
    """Land the windows left for this run, as the flow does."""
    clock = TenantClock(datetime.fromisoformat(sys.argv[1])).now
    given = json.loads(sys.argv[2])
    only, chunk = Only(given.pop("only")), Chunk.model_validate(given.pop("chunk"))
    plan = plan_run(Asked(**given, only=only, chunk=chunk), clock)
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    with open_run(plan, clock) as run:
        landed = land(run, land_unit)
        report = report_run(run, landed)
        finish_backfill(run, landed)
        skipped = sum(outcome.skipped for outcome in landed.outcomes)
        done = len(landed.outcomes) - skipped
        print(json.dumps([done, skipped, len(landed.failures)]))  # noqa: T201
        raise_unless_complete(landed, report)


if __name__ == "__main__":
    main()
