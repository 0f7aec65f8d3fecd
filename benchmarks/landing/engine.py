"""This engine's plain function: one unit landed in a lake, with all that a landing has to do.

Usage: python -m benchmarks.landing.engine QUERY URL FOLDER. From token to ledger: `open_run` and
`land_unit` of a dataset whose saved query is QUERY, at the tenant in miniature at URL.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.landing.columns import COLUMNS

DATASET = "bench_events"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY: dict[str, Any] = {"window_from": "2026-11-19", "window_to": "2026-11-20"}


def prepare(query: str, url: str, folder: Path, **changes: Any) -> None:
    """Make an installation with one dataset: catalogue, home, lake, and the settings for them."""
    specification = {
        "dataset": DATASET,
        "query_id": f"#{query}",
        "mode": "window",
        "window": {"column": "event_time", "from": "from", "to": "to", "step": "1d"},
        "columns": [{"nql": name, "type": kind} for name, kind in COLUMNS],
        **changes,
    }
    for part in ("datasets", "queries"):
        (folder / "catalog" / part).mkdir(parents=True, exist_ok=True)
    (folder / "catalog" / "datasets" / f"{DATASET}.yaml").write_text(yaml.safe_dump(specification))
    (folder / "catalog" / "queries" / f"{query}.nql").write_text("device_performance.events")
    os.environ |= {
        "NXP_HOME": str(folder / "home"),
        "NXP_LAKE": str(folder / "lake"),
        "NXP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "NXP_CATALOG": str(folder / "catalog"),
        "NEXTHINK_INSTANCE": "bench",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "bench",
        "NEXTHINK_CLIENT_SECRET": "bench",
        "NEXTHINK_API_URL": url,
        "NEXTHINK_LOGIN_URL": url,
    }


def clock() -> datetime:
    """Give a present in which the day is over."""
    return NOW + timedelta(seconds=datetime.now(UTC).timestamp() % 3600)


def land(**asked: Any) -> int:
    """Land the windows asked for; gives the rows."""
    from tasks.land import land_unit
    from tasks.plan import Asked, plan_run
    from tasks.run import open_run

    plan = plan_run(Asked(DATASET, **asked), clock)
    with open_run(plan, clock=clock) as run:
        run.ledger.begin_run(run.run_id, run.dataset, plan.trigger)
        return sum(land_unit(run, unit).rows_landed for unit in plan.units)


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    land(**DAY)
