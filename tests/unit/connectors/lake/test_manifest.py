"""The list of the files that count, when it has grown large."""

import time
from datetime import UTC, datetime, timedelta

from connectors.lake import Entry, Manifest
from connectors.lake.lake import unit_name

START = datetime(2026, 8, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)


def entry(starts_at: datetime, ends_at: datetime) -> Entry:
    return Entry(
        unit=unit_name(starts_at, ends_at),
        starts_at=starts_at,
        ends_at=ends_at,
        run_id="r",
        exported_at=ends_at,
        rows=1,
        files=(),
    )


def test_a_wide_window_replaces_thousands_without_comparing_each_with_each() -> None:
    known = tuple(entry(START + n * STEP, START + (n + 1) * STEP) for n in range(10_000))
    manifest = Manifest(dataset="d", mode="window", entries=known)
    wide = entry(known[100].starts_at, known[2_999].ends_at)
    began = time.monotonic()
    changed = manifest.with_entry(wide, "", {})
    # Comparing each with each takes half a minute, and holds the dataset's lock for as long.
    assert time.monotonic() - began < 5
    assert changed.entries == (*known[:100], wide, *known[3_000:])
