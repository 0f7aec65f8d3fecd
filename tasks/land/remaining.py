"""Which windows are done, and which of a back-fill are still to land."""

from datetime import datetime

from connectors.lake.lake import unit_name
from connectors.ledger import Backfill, Doubt, Ledger, UnitRecord
from tasks.exports.windows import Window
from tasks.land.asked import Asked, Only
from tasks.land.calendar import Calendar
from tasks.land.chunks import Chunk, has_failed, is_done, own_first
from tasks.land.schedule import Coverage, LandedWindow


def landed_of(records: list[UnitRecord]) -> list[LandedWindow]:
    """Return the windows that are done: landed once and not in doubt, whatever happened later."""
    return [
        LandedWindow(
            Window(record.starts_at, record.ends_at), record.exported_at or record.landed_at
        )
        for record in records
        if record.landed_at is not None and not record.is_doubtful
    ]


def partly_landed(records: list[UnitRecord]) -> Coverage:
    """Return the time of windows that landed in part: the tenant had forgotten some of it.

    They are not asked for again: no more than what has landed can come.
    """
    return Coverage(
        Window(record.starts_at, record.ends_at)
        for record in records
        if record.is_doubtful and record.doubt is Doubt.PARTIAL
    )


def left_of_backfill(
    asked: Asked, windows: list[Window], calendar: Calendar, ledger: Ledger, now: datetime
) -> tuple[Backfill | None, list[Window]]:
    """Return the windows that a back-fill must land, without those landed since it was begun."""
    records = ledger.units(asked.dataset)
    if asked.chunk:
        return _left_of_shared(asked, asked.chunk, windows, calendar, records)
    if asked.only is Only.FAILED:
        failed = {record.unit for record in records if record.last_error}
        return None, [window for window in windows if _name(window) in failed]
    if asked.only is Only.MISSING:
        coverage, in_part = _coverage(records), partly_landed(records)
        return None, [
            window
            for window in windows
            if not coverage.covers(window) and not in_part.covers(window)
        ]
    if asked.only is None:
        return None, windows
    stretch = (windows[0].start, windows[-1].end)
    backfill = ledger.marks.find_backfill(asked.dataset, *stretch, calendar.step)
    if backfill is None:
        return Backfill(*stretch, calendar.step, now), windows
    done = {
        record.unit
        for record in records
        if record.landed_at is not None and record.landed_at >= backfill.begun_at
    }
    return backfill, [window for window in windows if _name(window) not in done]


def _name(window: Window) -> str:
    return unit_name(window.start, window.end)


def _coverage(records: list[UnitRecord]) -> Coverage:
    return Coverage(known.window for known in landed_of(records))


def _left_of_shared(
    asked: Asked,
    chunk: Chunk,
    windows: list[Window],
    calendar: Calendar,
    records: list[UnitRecord],
) -> tuple[Backfill | None, list[Window]]:
    """Return what is left of a shared back-fill, with the run's own chunk first."""
    only = asked.only or Only.MISSING
    known = {record.unit: record for record in records}
    covered = _coverage(records) if only is Only.MISSING else None
    left = []
    for window in windows:
        record = known.get(_name(window))
        is_covered = covered is not None and covered.covers(window)
        done = is_covered or is_done(record, only, chunk.begun_at)
        if not done and not has_failed(record, chunk.asked_at):
            left.append(window)
    stretch = (windows[0].start, windows[-1].end)
    backfill = Backfill(*stretch, calendar.step, chunk.begun_at) if only is Only.ALL else None
    return backfill, own_first(left, chunk)
