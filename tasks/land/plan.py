"""The plan of a run: which units it lands, decided before anything is exported."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from connectors.catalogue import DatasetSpecification, Mode, load_dataset
from connectors.clock import utc_now
from connectors.errors import DataRefusedError
from connectors.lake import Lake
from connectors.lake.lake import unit_name
from connectors.ledger import Backfill, Ledger, open_ledger
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from tasks.exports.windows import Window, floor
from tasks.land.agreement import check_lake
from tasks.land.asked import Asked, Only, check_asked, read_step
from tasks.land.calendar import Calendar
from tasks.land.remaining import landed_of, left_of_backfill, partly_landed
from tasks.land.schedule import due
from tasks.runs.recorded import recorded


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
    backfill: Backfill | None = None

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
    check_asked(asked, specification)
    plan = Plan(asked, settings, tenant, specification, units=(), planned_at=clock())
    calendar = plan.calendar
    with open_ledger(settings.ledger_url.get_secret_value(), tenant.name, clock) as ledger:
        _check_lake(plan, ledger)
        if calendar is None:
            return _of_slot(plan)
        if asked.window_from is None or asked.window_to is None:
            plan = _of_missing(plan, calendar, ledger)
        else:
            plan = _of_period(plan, calendar, ledger, asked.window_from, asked.window_to)
    if specification.in_lake:
        check_overlaps(Lake(settings.lake, tenant.name), asked.dataset, plan.units)
    return plan


def _check_lake(plan: Plan, ledger: Ledger) -> None:
    # What is landed again in any case may be missing: this is how a lost lake is filled again.
    if plan.asked.only is not Only.ALL and not plan.asked.full_refresh:
        lake = Lake(plan.settings.lake, ledger.tenant)
        check_lake(plan.specification, lake, ledger.units(plan.asked.dataset), plan.planned_at)


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


def _of_slot(plan: Plan) -> Plan:
    """Return the plan of a snapshot: the slot that the time of the schedule falls in."""
    every = plan.specification.every
    slot = floor(plan.asked.scheduled_at or plan.planned_at, every)
    return replace(plan, units=(Unit(unit_name(slot), slot, slot + every),), asked_units=1)


def _of_missing(plan: Plan, calendar: Calendar, ledger: Ledger) -> Plan:
    """Return the plan of a run without dates: what the schedule still has to land."""
    mark = ledger.marks.watermark(plan.asked.dataset)
    records = ledger.units(plan.asked.dataset)
    todo = due(
        calendar,
        landed_of(records),
        plan.planned_at,
        mark.starts_at if mark else None,
        everything=plan.asked.full_refresh,
        in_part=partly_landed(records),
    )
    return replace(
        plan,
        units=tuple(map(Unit.of_window, todo.windows)),
        asked_units=len(todo.windows),
        origin=todo.origin,
        expired=todo.expired,
        in_part=todo.in_part,
    )


def _of_period(plan: Plan, calendar: Calendar, ledger: Ledger, start: str, end: str) -> Plan:
    """Return the plan of a back-fill; only a shared one may begin out of the query's reach."""
    if plan.asked.chunk is None:
        windows = calendar.asked(start, end, plan.planned_at)
    else:
        bounds = calendar.bound(start, "window_from"), calendar.bound(end, "window_to")
        windows = calendar.cut(*bounds)
    records = ledger.units(plan.asked.dataset)
    backfill, left = left_of_backfill(plan.asked, windows, calendar, ledger, plan.planned_at)
    in_part = partly_landed(records)
    return replace(
        plan,
        units=tuple(map(Unit.of_window, left)),
        asked_units=len(windows),
        in_part=tuple(each for each in windows if in_part.covers(each)),
        backfill=backfill,
    )
