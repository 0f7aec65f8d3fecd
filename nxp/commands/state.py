"""`nxp state`: show what the ledger knows about a dataset, and start over."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification, Mode, load_dataset, read_datasets
from connectors.clock import utc_now
from connectors.counting import number_of
from connectors.errors import PartlyDoneError, UsageError
from connectors.ledger import DROPPED, EXPIRED, CallKind, Doubt, Ledger, open_ledger
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Dataset, Json, Tenant
from nxp.output import at_second, print_json, print_table, say

if TYPE_CHECKING:
    from connectors.settings.tenants import TenantSettings
    from tasks.land.calendar import Calendar


def show(dataset: Dataset, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show the watermark, windows by state, exports under way and interrupted back-fills."""
    settings = load_settings()
    specification, opened = _open(settings, dataset, tenant)
    with opened as ledger:
        state = _state(specification, ledger)
    if as_json:
        print_json(state)
    else:
        print_table(["what", "is"], [(name, at_second(value)) for name, value in state.items()])


def reset(
    dataset: Dataset,
    *,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="Count the watermark from here: earlier gaps are accepted."),
    ] = None,
    lost: Annotated[
        bool,
        Parameter(negative="", help="Also forget landed units that the lake does not have."),
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Forget the watermark, failures, waiting times and journalled exports of DATASET.

    What has landed stays, and stays known. With --from, the watermark counts from there on. With
    --lost, units that the lake does not have any more count as missing again.
    """
    settings = load_settings()
    specification, opened = _open(settings, dataset, tenant)
    with opened as ledger:
        if from_ is not None:
            _count_from(specification, ledger, settings, tenant, from_)
        else:
            ledger.marks.forget_watermark(dataset)
        ledger.forget_failures(dataset)
        forgotten = _forget_lost(specification, ledger, settings) if lost else 0
        for backfill in ledger.marks.backfills(dataset):
            ledger.marks.finish_backfill(dataset, backfill)
        state = _state(specification, ledger)
    if as_json:
        print_json(state)
    else:
        units = f", and {forgotten} units that the lake does not have" if lost else ""
        say(f"{dataset}: state forgotten{units}; landed data stays")


def accept(
    dataset: Dataset,
    *,
    why: Annotated[str, Parameter(help="The reason; it is kept.")],
    from_: Annotated[
        str | None, Parameter(name="--from", help="Only windows from here on; by default all.")
    ] = None,
    to: Annotated[str | None, Parameter(help="Only windows that end by here.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Accept windows of DATASET that landed in part, or without rows that nothing proves.

    They count as done from then on: the watermark moves past them with the next export.
    """
    if not why.strip():
        raise UsageError("--why needs a reason")
    settings = load_settings()
    specification, opened = _open(settings, dataset, tenant)
    with opened as ledger:
        calendar = _calendar(specification, settings, tenant)
        start = calendar.bound(from_, "from") if from_ else None
        end = calendar.bound(to, "to") if to else None
        if start and end and start >= end:
            raise UsageError(f"--from {from_} is not before --to {to}")
        units = [
            record.unit
            for record in ledger.units(dataset)
            if record.is_doubtful
            and (start is None or record.starts_at >= start)
            and (end is None or record.ends_at <= end)
        ]
        ledger.doubts.accept(dataset, units, why.strip())
        state = _state(specification, ledger)
    if as_json:
        print_json({**state, "accepted": units})
    else:
        say(f"{dataset}: {len(units)} windows accepted as they landed")


def audit(
    *datasets: Dataset,
    mark: Annotated[
        bool,
        Parameter(negative="", help="Mark them, so that the next export asks for them again."),
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Find windows that landed without rows at an age at which the tenant may have forgotten them.

    Earlier versions landed such windows as if nothing had happened in them. Without names, all
    datasets of windows are looked at.
    """
    from tasks.land.doubts import unjudged  # noqa: PLC0415 - polars, not for --help

    settings = load_settings()
    named = [load_dataset(settings.catalog, name) for name in datasets]
    found: list[dict[str, Any]] = []
    chosen = named or list(read_datasets(settings.catalog).valid.values())
    name = tenant_name(settings, tenant)
    with open_ledger(settings.ledger_url.get_secret_value(), name) as ledger:
        for each in chosen:
            if each.window is None:
                continue
            records = ledger.units(each.dataset)
            began = ledger.began({record.run_id for record in records if record.run_id})
            doubts = unjudged(records, _calendar(each, settings, tenant), began)
            if mark:
                for doubt in Doubt:
                    units = [unit for unit, of in doubts.items() if of is doubt]
                    ledger.doubts.set(each.dataset, units, doubt)
            found += [
                {"dataset": each.dataset, "unit": unit, "doubt": doubt}
                for unit, doubt in doubts.items()
            ]
    if as_json:
        print_json(found)
    else:
        print_table(["dataset", "unit", "doubt"], [list(row.values()) for row in found])
    if found and not mark:
        raise PartlyDoneError(
            f"{number_of(len(found), 'window')} landed without rows, and the tenant may have "
            "forgotten them: mark them with --mark, or set how long the tenant keeps rows "
            f"({_tenant(settings, tenant).named('tenant_retention')})"
        )
    say(f"{number_of(len(found), 'window')} {'marked' if mark else 'found'}")


def _forget_lost(specification: DatasetSpecification, ledger: Ledger, settings: Settings) -> int:
    from connectors.lake import Lake  # noqa: PLC0415 - not for --help
    from tasks.land.agreement import missing_units  # noqa: PLC0415

    manifest = Lake(settings.lake, ledger.tenant).manifest(specification.dataset)
    records = ledger.units(specification.dataset)
    found = missing_units(specification, manifest, records, utc_now())
    ledger.forget_landed(specification.dataset, [record.unit for record in found])
    return len(found)


def _open(
    settings: Settings, dataset: str, tenant: str | None
) -> tuple[DatasetSpecification, Ledger]:
    specification = load_dataset(settings.catalog, dataset)
    name = tenant_name(settings, tenant)
    return specification, open_ledger(settings.ledger_url.get_secret_value(), name)


def _count_from(
    specification: DatasetSpecification,
    ledger: Ledger,
    settings: Settings,
    tenant: str | None,
    from_: str,
) -> None:
    from tasks.land.remaining import landed_of  # noqa: PLC0415 - polars, not for --help
    from tasks.land.schedule import Coverage  # noqa: PLC0415

    calendar = _calendar(specification, settings, tenant)
    instant = calendar.bound(from_, "from")
    if instant > (now := utc_now()):
        # Everything until then would silently count as an accepted gap.
        raise UsageError(
            f"--from {from_} is in the future (now {now:%Y-%m-%d %H:%MZ}): rows until then would "
            "never land; nothing was changed"
        )
    landed = landed_of(ledger.units(specification.dataset))
    end = Coverage(known.window for known in landed).end_from(instant)
    ledger.marks.set_watermark(specification.dataset, instant, end)


def _tenant(settings: Settings, tenant: str | None) -> "TenantSettings":
    from connectors.settings.tenants import load_tenant  # noqa: PLC0415 - needs the credential, only here

    return load_tenant(settings, tenant)


def _calendar(
    specification: DatasetSpecification, settings: Settings, tenant: str | None
) -> "Calendar":
    from tasks.land.calendar import Calendar  # noqa: PLC0415 - polars, not for --help

    if specification.mode is Mode.SNAPSHOT:
        raise UsageError(f"{specification.dataset} is a snapshot: it has no watermark")
    return Calendar.of(specification, _tenant(settings, tenant))


def _state(specification: DatasetSpecification, ledger: Ledger) -> dict[str, Any]:
    dataset = specification.dataset
    records = ledger.units(dataset)
    states = Counter(record.shown for record in records)
    mark = ledger.marks.watermark(dataset)
    waiting = [record.not_before for record in records if record.not_before]
    if limited := ledger.limits.limited_until(CallKind.EXPORTS):
        waiting.append(limited)
    return {
        "dataset": dataset,
        "mode": str(specification.mode),
        "watermark": mark and mark.position,
        "counted_from": mark and mark.starts_at,
        "moved_at": mark and mark.moved_at,
        "landed": states["landed"],
        "partial": states[Doubt.PARTIAL],
        "unproven": states[Doubt.UNPROVEN],
        "expired": states[EXPIRED],
        "dropped": states[DROPPED],
        "pending": states["pending"],
        "failed": states["failed"],
        "last_try_failed": sum(record.last_error is not None for record in records),
        "not_before": max(waiting, default=None),
        "exports_under_way": ledger.journal.count(dataset),
        "backfills_under_way": [
            f"{backfill.starts_at:%Y-%m-%dT%H:%MZ} to {backfill.ends_at:%Y-%m-%dT%H:%MZ}"
            for backfill in ledger.marks.backfills(dataset)
        ],
    }
