"""This engine's plain function: one unit landed in a lake, with everything a landing includes.

Usage: python -m benchmarks.landing.engine prepare|land QUERY URL FOLDER. `prepare` creates the
installation in FOLDER, with the tables of its ledger. `land` is what is measured, from token to
ledger: `open_run` and `land_unit` of a dataset whose saved query is QUERY, with the tenant in
miniature at URL.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.landing.columns import COLUMNS
from nxp.__main__ import start_lightly

DATASET = "bench_events"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMPRESSIONS = {"zst": "ZSTD", "gz": "GZIP", "csv": "NONE"}
DAY: dict[str, Any] = {"window_from": "2026-11-19", "window_to": "2026-11-20"}


def make_ledger() -> None:
    """Create the ledger's tables, as the first command of an installation does."""
    from connectors.ledger import open_ledger
    from connectors.settings.installation import load_settings

    open_ledger(load_settings().ledger_url.get_secret_value(), "bench.eu").close()


def prepare(query: str, url: str, folder: Path, **changes: Any) -> None:
    """Create an installation with one dataset: catalogue, home, lake, and their settings."""
    from benchmarks.installation import write_dataset

    specification = {
        "dataset": DATASET,
        "query_id": f"#{query}",
        "mode": "window",
        "window": {"column": "event_time", "from": "from", "to": "to", "step": "1d"},
        "compression": COMPRESSIONS.get(query.rpartition("_")[2], "ZSTD"),
        "columns": [{"nql": name, "type": kind} for name, kind in COLUMNS],
        **changes,
    }
    write_dataset(folder, specification, "device_performance.events")
    point_to(url, folder)


def point_to(url: str, folder: Path) -> None:
    """Point the settings of this process at the installation in a folder, and at the tenant."""
    from benchmarks.installation import settings_in

    os.environ |= settings_in(folder, url)


def clock() -> datetime:
    """Return a current time at which the day is over."""
    return NOW + timedelta(seconds=datetime.now(UTC).timestamp() % 3600)


def land(**asked: Any) -> int:
    """Land the windows asked for, and return the number of rows."""
    from tasks.land.asked import Asked
    from tasks.land.plan import plan_run
    from tasks.land.run import open_run
    from tasks.stories.export import land_unit

    plan = plan_run(Asked(DATASET, **asked), clock)
    with open_run(plan, clock=clock) as run:
        return sum(land_unit(run, unit).rows_landed for unit in plan.units)


if __name__ == "__main__":
    start_lightly()
    step, name, address, place = sys.argv[1:]
    if step == "prepare":
        prepare(name, address, Path(place))
        make_ledger()
    else:
        point_to(address, Path(place))
        land(**DAY)
