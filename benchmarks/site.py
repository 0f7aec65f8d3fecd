"""How long `nxp site` takes over many datasets with a year of days.

Usage: python -m benchmarks.site [--datasets N] [--days N]. Manifests, profiles and
the ledger are as landings leave them; the files that manifests name do not exist, since no page
reads them.
"""

import json
import os
import random
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cyclopts
from sqlalchemy import create_engine

from benchmarks.installation import TENANT, settings_in, write_dataset
from connectors.lake.lake import unit_name
from connectors.lake.layout import CURRENT
from connectors.lake.manifest import Entry, Manifest, ManifestFile
from connectors.lake.profiles import BINS, PROFILES, VERSION
from connectors.ledger import open_ledger
from connectors.ledger.tables import runs, units
from tasks.stories.site import SiteMade, make_site

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS = 4_000
COLUMNS = 40
QUERY = "web.errors during past 24h\n| list start_time\n"
RUN = "00000000-0000-4000-8000-000000000000"


def synthetic(folder: Path, datasets: int, days: int) -> dict[str, str]:
    """Write a catalogue, a lake of manifests and a ledger; return the settings that name them."""
    made = settings_in(folder)
    chance = random.Random(1)
    names = [f"events_{number:03}" for number in range(datasets)]
    for name in names:
        write_dataset(folder, _dataset(name), QUERY)
        entries = _entries(days, chance)
        _lake(folder / "lake" / TENANT, name, entries)
    _ledger(made["NXP_LEDGER_URL"], names, _entries(days, random.Random(1)))
    return made


def _dataset(name: str) -> dict[str, Any]:
    columns = [
        {"nql": f"event.value_{n}", "type": "int", "description": f"Value {n} of the event."}
        for n in range(COLUMNS - 1)
    ]
    at = {"nql": "event.time", "name": "happened_at", "type": "datetime"}
    return {
        "dataset": name,
        "query_id": f"#{name}",
        "mode": "window",
        "title": name.replace("_", " "),
        "grain": "one row per event",
        "window": {"column": "happened_at", "from": "from", "to": "to", "step": "1d"},
        "columns": [at, *columns],
    }


def _entries(days: int, chance: random.Random) -> list[Entry]:
    """Return the units of days up to now; one in fifty is missing."""
    found = []
    for back in range(days, 0, -1):
        start = NOW.replace(hour=0, minute=0) - back * DAY
        unit, rows = unit_name(start, start + DAY), chance.randrange(ROWS, 2 * ROWS)
        file = ManifestFile(
            path=f"date={start:%Y-%m-%d}/{unit}.parquet", rows=rows, bytes=50 * rows
        )
        if chance.random() > 1 / 50:
            found.append(
                Entry(
                    unit=unit,
                    starts_at=start,
                    ends_at=start + DAY,
                    run_id=RUN,
                    exported_at=start + DAY,
                    rows=rows,
                    files=(file,),
                )
            )
    return found


def _lake(folder: Path, name: str, entries: list[Entry]) -> None:
    columns = {"happened_at": "timestamp[us, tz=UTC]"}
    columns |= {f"event_value_{n}": "int64" for n in range(COLUMNS - 1)}
    manifest = Manifest(
        dataset=name,
        mode="window",
        layout=2,
        version=len(entries),
        schema_columns=columns,
        entries=tuple(entries),
    )
    place = folder / CURRENT.place(name)
    place.mkdir(parents=True)
    (place / "_manifest.json").write_bytes(manifest.content())
    (folder / manifest.folder).mkdir(parents=True)
    profile = {
        column: {
            "nulls": 0,
            "least": 0,
            "most": ROWS,
            "distinct": ROWS,
            "sample": ROWS,
            "bins": [ROWS // BINS] * BINS,
            "edges": [0, ROWS],
        }
        for column in columns
        if column != "happened_at"
    }
    newest = {e.unit: {"run_id": RUN, "rows": e.rows, "columns": profile} for e in entries[-30:]}
    place = folder / PROFILES / name
    place.mkdir(parents=True)
    (place / "profiles.json").write_text(json.dumps({"version": VERSION, "units": newest}))


def _ledger(url: str, names: list[str], entries: list[Entry]) -> None:
    open_ledger(url, TENANT).close()
    landed = [
        {
            "tenant": TENANT,
            "dataset": name,
            "unit": each.unit,
            "starts_at": each.starts_at,
            "ends_at": each.ends_at,
            "state": "landed",
            "run_id": RUN,
            "rows_landed": each.rows,
            "landed_at": each.ends_at,
            "exported_at": each.ends_at,
            "calls": 2,
        }
        for name in names
        for each in entries
    ]
    ended = [
        {
            "tenant": TENANT,
            "run_id": f"{place:06}-{number:06}",
            "dataset": name,
            "trigger": "schedule",
            "state": "landed",
            "started_at": each.ends_at,
            "finished_at": each.ends_at + timedelta(seconds=20),
            "units": 1,
            "rows_landed": each.rows,
            "rows_rejected": 0,
            "holder": "none/0/0/none",
            "report": {"rows_read": each.rows, "rows_landed": each.rows, "calls": 2},
        }
        for place, name in enumerate(names)
        for number, each in enumerate(entries)
    ]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(units.insert(), landed)
        connection.execute(runs.insert(), ended)
    engine.dispose()


def measure(folder: Path, datasets: int, days: int) -> tuple[float, SiteMade]:
    """Return how many seconds a site takes, and what it shows, by the settings of this process."""
    begun = time.perf_counter()
    made = make_site(folder / "site", clock=lambda: NOW)
    if made.landed != datasets:
        raise AssertionError(f"{made.landed} datasets of {days} days")
    return time.perf_counter() - begun, made


def main(datasets: int = 200, days: int = 365) -> None:
    """Make a lake of manifests, and print how long its site takes."""
    folder = Path(tempfile.mkdtemp())
    try:
        os.environ.update(synthetic(folder, datasets, days))
        before = time.process_time()
        seconds, made = measure(folder, datasets, days)
        used = time.process_time() - before
        size = sum(path.stat().st_size for path in (folder / "site").rglob("*") if path.is_file())
        print(
            f"{datasets} datasets of {days} days: {made.pages} pages, {size / 1e6:.1f} MB, "
            f"in {seconds:.1f} s, {used:.1f} s of CPU"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    cyclopts.run(main)
