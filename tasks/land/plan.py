"""Checking what a run is asked to do, and deciding which units it lands. Exports nothing."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from connectors.catalogue import DatasetSpecification, Mode, load_dataset, parse_duration
from connectors.clock import utc_now
from connectors.errors import DataRefusedError, UsageError
from connectors.lake import Lake
from connectors.lake.lake import unit_name
from connectors.ledger import Backfill, Doubt, Ledger, UnitRecord, open_ledger
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from tasks.exports.windows import Window, floor
from tasks.land.agreement import check_lake
from tasks.land.calendar import Calendar
from tasks.land.chunks import Chunk, has_failed, is_done, own_first
from tasks.land.schedule import Coverage, LandedWindow, due
from tasks.runs.recorded import recorded

CONCURRENCY = 4
MOST_AT_ONCE = 16


class Only(StrEnum):
    """Which windows of a period a back-fill lands."""

    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller asks for, in the words of flow parameters and command options.

    Without dates a run lands what is missing up to now. `only` and `step` belong to a back-fill,
    `chunk` to one that several runs share. `is_scheduled` means that no person started the run.
    """

    dataset: str
    window_from: str | None = None
    window_to: str | None = None
    tenant: str | None = None
    accept_shrink: bool = False
    full_refresh: bool = False
    step: str | None = None
    only: Only | None = None
    concurrency: int = CONCURRENCY
    scheduled_at: datetime | None = None
    is_scheduled: bool = False
    chunk: Chunk | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What lands as a whole: a window, or a snapshot's slot [starts_at, ends_at)."""

    name: str
    starts_at: datetime
    ends_at: datetime
    window: Window | None = None

    @classmethod
    def of_window(cls, window: Window) -> "Unit":
        """Return a window as a unit."""
        return cls(unit_name(window.start, window.end), window.start, window.end, window)

    def __str__(self) -> str:
        return str(self.window) if self.window else self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """A validated request: everything that can be known before the tenant is asked.

    `asked_units` counts all windows of the period, `units` are those still to land. `origin` is
    where the watermark counts from, None if it stays as it is. No row of the `expired` windows can
    come any more; the `in_part` ones have landed in part, and cannot have more rows.
    """

    asked: Asked
    settings: Settings
    tenant: TenantSettings
    specification: DatasetSpecification
    units: tuple[Unit, ...]
    planned_at: datetime
    asked_units: int = 0
    origin: datetime | None = None
    expired: tuple[Window, ...] = ()
    in_part: tuple[Window, ...] = ()
    backfill: Backfill | None = field(default=None)

    @property
    def trigger(self) -> str:
        """What started the run. With dates it is a back-fill, which leaves the watermark alone."""
        if self.asked.window_from:
            return "back-fill"
        if self.asked.full_refresh:
            return "full-refresh"
        return "scheduled" if self.asked.is_scheduled else "manual"

    @property
    def resumed_since(self) -> datetime | None:
        """When the back-fill of everything that this one resumes was begun; None for a new one."""
        backfill = self.backfill
        return backfill.begun_at if backfill and backfill.begun_at < self.planned_at else None

    @property
    def zone_of_days(self) -> tzinfo:
        """The zone whose days the dataset lands: the tenant's with mode slices, otherwise UTC."""
        return self.tenant.zone if self.specification.mode is Mode.SLICES else UTC

    @property
    def calendar(self) -> Calendar | None:
        """How the dataset's time is cut; None for snapshots."""
        if self.specification.window is None:
            return None
        return Calendar.of(self.specification, self.tenant, read_step(self.asked.step))


def _planned(plan: Plan) -> str:
    """Return what a plan lands, for an operator."""
    if not plan.units:
        return "nothing to land"
    of = f" of {plan.asked_units:,}" if plan.asked_units > len(plan.units) else ""
    expired = f", {len(plan.expired):,} expired" if plan.expired else ""
    noun = "window" if len(plan.units) == 1 and not of else "windows"
    return f"{len(plan.units):,}{of} {noun} to land{expired}"


@recorded("plan", "{asked.dataset}", says=_planned)
def plan_run(asked: Asked, clock: Callable[[], datetime] = utc_now) -> Plan:
    """Check settings, catalogue and dates, and decide which units to land.

    Raises:
        ConfigurationError: settings or catalogue have problems (all are listed), or the lake has
            not what the ledger calls landed.
        UsageError: unknown dataset, or dates that cannot be exported.
        DataRefusedError: a window would cut one that has landed in part.
    """
    settings = load_settings()
    specification = load_dataset(settings.catalog, asked.dataset)
    tenant = load_tenant(settings, asked.tenant)
    _check_asked(asked, specification)
    now = clock()
    url = settings.ledger_url.get_secret_value()
    if specification.mode is Mode.SNAPSHOT:
        with open_ledger(url, tenant.name, clock) as ledger:
            _check_lake(asked, settings, specification, ledger, now)
        slot = floor(asked.scheduled_at or now, specification.every)
        unit = Unit(unit_name(slot), slot, slot + specification.every)
        return Plan(asked, settings, tenant, specification, (unit,), now, 1)
    calendar = Calendar.of(specification, tenant, read_step(asked.step))
    with open_ledger(url, tenant.name, clock) as ledger:
        _check_lake(asked, settings, specification, ledger, now)
        if asked.window_from is None or asked.window_to is None:
            plan = _missing(asked, settings, tenant, specification, calendar, ledger, now)
        else:
            windows = _asked_windows(asked, calendar, now)
            backfill, left = _left(asked, windows, calendar, ledger, now)
            units = tuple(Unit.of_window(window) for window in left)
            in_part = partly_landed(ledger.units(asked.dataset))
            plan = Plan(
                asked,
                settings,
                tenant,
                specification,
                units,
                now,
                len(windows),
                in_part=tuple(each for each in windows if in_part.covers(each)),
                backfill=backfill,
            )
    if specification.in_lake:
        check_overlaps(Lake(settings.lake, tenant.name), asked.dataset, plan.units)
    return plan


def _check_lake(
    asked: Asked,
    settings: Settings,
    specification: DatasetSpecification,
    ledger: Ledger,
    now: datetime,
) -> None:
    # What is landed again in any case may be missing: this is how a lost lake is filled again.
    if asked.only is not Only.ALL and not asked.full_refresh:
        lake = Lake(settings.lake, ledger.tenant)
        check_lake(specification, lake, ledger.units(specification.dataset), now)


def read_step(text: str | None) -> timedelta | None:
    """Return the length of a window that was asked for; None if none was.

    Raises:
        UsageError: it is not a duration.
    """
    try:
        step = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"step {text!r} {error}") from None
    return step if isinstance(step, timedelta) else None


def check_overlaps(lake: Lake, dataset: str, units: tuple[Unit, ...]) -> None:
    """Raise unless every unit covers each landed window wholly or not at all.

    Raises:
        DataRefusedError: a unit would cut a landed window; the message says what to do.
    """
    manifest = lake.manifest(dataset) if units else None
    entries = manifest.entries if manifest else ()
    starts = [entry.starts_at for entry in entries]
    for unit in units:
        for bound in (unit.starts_at, unit.ends_at) if unit.window else ():
            place = bisect_left(starts, bound) - 1
            # Entries of windows never overlap, so only the one that begins before can be cut.
            if place >= 0 and bound < entries[place].ends_at:
                cut = Window(entries[place].starts_at, entries[place].ends_at)
                raise DataRefusedError(
                    f"{dataset}: landing {unit} would cut the landed window {cut}: use a step and "
                    f"dates that cover it whole; nothing was exported"
                )


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


def _check_asked(asked: Asked, specification: DatasetSpecification) -> None:
    dated = asked.window_from is not None or asked.window_to is not None
    if dated and specification.mode is Mode.SNAPSHOT:
        raise UsageError(
            f"{asked.dataset} is a snapshot of how things are now: it takes no window_from and "
            "window_to"
        )
    if dated and (asked.window_from is None or asked.window_to is None):
        raise UsageError("a back-fill takes both window_from and window_to")
    if dated and asked.full_refresh:
        raise UsageError("full_refresh lands everything: it takes no window_from and window_to")
    if not dated and (asked.step or asked.only):
        raise UsageError("step and only belong to a back-fill: set window_from and window_to")
    if not 1 <= asked.concurrency <= MOST_AT_ONCE:
        raise UsageError(f"concurrency must be from 1 to {MOST_AT_ONCE}")


def _missing(
    asked: Asked,
    settings: Settings,
    tenant: TenantSettings,
    specification: DatasetSpecification,
    calendar: Calendar,
    ledger: Ledger,
    now: datetime,
) -> Plan:
    mark = ledger.marks.watermark(asked.dataset)
    records = ledger.units(asked.dataset)
    todo = due(
        calendar,
        landed_of(records),
        now,
        mark.starts_at if mark else None,
        everything=asked.full_refresh,
        in_part=partly_landed(records),
    )
    units = tuple(Unit.of_window(window) for window in todo.windows)
    return Plan(
        asked,
        settings,
        tenant,
        specification,
        units,
        now,
        len(units),
        todo.origin,
        todo.expired,
        todo.in_part,
    )


def _left(
    asked: Asked, windows: list[Window], calendar: Calendar, ledger: Ledger, now: datetime
) -> tuple[Backfill | None, list[Window]]:
    """Return the windows that a back-fill must land, without those landed since it was begun."""
    records = ledger.units(asked.dataset)
    if asked.chunk:
        return _left_of_all(asked, asked.chunk, windows, calendar, records)
    if asked.only is Only.FAILED:
        failed = {record.unit for record in records if record.last_error}
        return None, [window for window in windows if Unit.of_window(window).name in failed]
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
    return backfill, [window for window in windows if Unit.of_window(window).name not in done]


def _coverage(records: list[UnitRecord]) -> Coverage:
    return Coverage(known.window for known in landed_of(records))


def _left_of_all(
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
        record = known.get(Unit.of_window(window).name)
        is_covered = covered is not None and covered.covers(window)
        done = is_covered or is_done(record, only, chunk.begun_at)
        if not done and not has_failed(record, chunk.asked_at):
            left.append(window)
    stretch = (windows[0].start, windows[-1].end)
    backfill = Backfill(*stretch, calendar.step, chunk.begun_at) if only is Only.ALL else None
    return backfill, own_first(left, chunk)


def _asked_windows(asked: Asked, calendar: Calendar, now: datetime) -> list[Window]:
    """Return the windows of the period asked for; only a shared one may begin out of reach."""
    start, end = asked.window_from or "", asked.window_to or ""
    if asked.chunk is None:
        return calendar.asked(start, end, now)
    return calendar.cut(calendar.bound(start, "window_from"), calendar.bound(end, "window_to"))
