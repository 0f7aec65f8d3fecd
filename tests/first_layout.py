"""A lake as the last release wrote it (layout 1), made without the product's own code."""

import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.lakes import DAY, SCHEMA, START, Site

COMPACT = "%Y%m%dT%H%M%SZ"
HOUR = timedelta(hours=1)
# The tenant's 28 November in Zurich, as UTC dates.
ZURICH = (START.replace(day=27, hour=23), ["2026-11-27", "2026-11-28"])


def parquet(run: str, rows: int = 3) -> bytes:
    """Return one Parquet file of a run."""
    target = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(rows)), "run": [run] * rows}, SCHEMA), target)
    return target.getvalue()


def unit(
    site: Site, dataset: str, run: str, name: str, times: tuple[datetime, datetime], files: Any
) -> dict[str, Any]:
    """Write one unit's files; return its entry of the manifest."""
    listed = []
    for path in files:
        content = parquet(run)
        site.put(f"{dataset}/{path}", content)
        listed.append({"path": path, "rows": 3, "bytes": len(content)})
    start, end = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times)
    return {
        "unit": name,
        "starts_at": start,
        "ends_at": end,
        "run_id": run,
        "exported_at": end,
        "rows": 3 * len(listed),
        "files": listed,
    }


def write_manifest(
    site: Site, dataset: str, mode: str, entries: Sequence[dict[str, Any]], **more: Any
) -> None:
    """Write the manifest of a dataset."""
    manifest = {
        "dataset": dataset,
        "mode": mode,
        "version": len(entries),
        "schema_hash": "0123456789abcdef",
        "schema_columns": {"n": "int64", "run": "string"},
        "entries": list(entries),
        **more,
    }
    site.put(f"{dataset}/_manifest.json", json.dumps(manifest, indent=1).encode())


def window(site: Site, dataset: str, run: str, start: datetime, days: Sequence[str]) -> Any:
    """Write a window with a file for each of these UTC dates."""
    end = start + max(DAY, len(days) * DAY if start.hour == 0 else DAY)
    name = f"{start:{COMPACT}}-{end:{COMPACT}}"
    mark = "" if site.service is None else f".{abs(hash(run)) % 16**12:012x}"
    paths = [f"date={day}/{name}{mark}.parquet" for day in days]
    return unit(site, dataset, run, name, (start, end), paths)


def snapshot(site: Site, dataset: str, run: str, slot: datetime) -> Any:
    """Write a snapshot."""
    name = f"{slot:{COMPACT}}"
    mark = "" if site.service is None else ".0123456789ab"
    path = f"snapshot={name}/data{mark}.parquet"
    return unit(site, dataset, run, name, (slot, slot + DAY), [path])


def write_events(site: Site) -> Site:
    """Write windows of one day, and one of two."""
    entries = [window(site, "events", f"e{day}", START + day * DAY, [dated(day)]) for day in (0, 1)]
    entries.append(window(site, "events", "wide", START + 2 * DAY, [dated(2), dated(3)]))
    write_manifest(site, "events", "window", entries)
    return site


def write_lake(site: Site) -> Site:
    """Write windows, snapshots of every kind of hour and day, and slices of a tenant's day."""
    write_events(site)
    slots = [START.replace(day=8), START.replace(day=8, hour=6), START.replace(day=18, hour=12)]
    taken = [snapshot(site, "devices", f"d{at:%d%H}", at) for at in slots]
    write_manifest(site, "devices", "snapshot", taken)
    write_manifest(site, "days", "window", [window(site, "days", "z", *ZURICH)])
    return site


def dated(day: int) -> str:
    """Return the UTC date of a day of the lake."""
    return f"{START + day * DAY:%Y-%m-%d}"
