"""The facts of datasets: of the catalogue, of the lake, or of both. A damaged one is a fact too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from connectors.catalogue import DatasetSpecification, Loaded, Mode, private_columns, query_path
from connectors.catalogue.cron import parse_cron
from connectors.catalogue.specification import describe
from connectors.errors import PipelineError
from connectors.lake import Lake, Manifest
from connectors.lake.profiles import read_profiles
from connectors.ledger import Ledger, UnitRecord
from connectors.settings.tenants import TenantSettings
from connectors.text_files import read_text
from tasks.land.calendar import Calendar
from tasks.runs.freshness import Freshness, Light, freshness_of
from tasks.site.columns import columns_of
from tasks.site.days import UTC, LandedDays, days_of
from tasks.site.facts import ColumnChange, DatasetFacts, Reference, problem_of
from tasks.site.queries import shown_query
from tasks.site.rejects import Rejected
from tasks.site.snippets import snippets_of

_LIGHTS: Final = {Light.GREEN: "fresh", Light.AMBER: "late", Light.RED: "stale"}
NEVER: Final = "never landed"
# Data of a dataset that is not in the catalogue: nobody has promised anything.
UNKNOWN: Final = "no promise"
WEEKDAYS: Final = (*("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),)
_HOURS: Final = 24
_MONTHS: Final = 12


@dataclass(frozen=True)
class FactSources:
    """Where facts come from. Without settings of the tenant, its limits and zone are not known."""

    catalog: Path
    loaded: Loaded[DatasetSpecification]
    lake: Lake
    ledger: Ledger
    tenant: TenantSettings | None
    rejects: Mapping[str, Rejected]
    changes: Mapping[str, tuple[ColumnChange, ...]]
    # Rows with the key of another row, by run and unit.
    repeated_keys: Mapping[tuple[str, str], int]
    now: datetime
    fresh: dict[str, Freshness] = field(default_factory=dict)

    @cached_property
    def personal(self) -> frozenset[str]:
        """The headers of all personal columns of the catalogue, in lower case."""
        return frozenset(
            column.nql.lower()
            for each in self.loaded.found.values()
            for column in each.columns
            if column.personal
        )


def dataset_facts(sources: FactSources) -> Iterator[DatasetFacts]:
    """Yield every dataset of the catalogue and of the lake, by name.

    Raises:
        StorageError, UnavailableError: the lake cannot be listed, or the ledger not be read.
    """
    valid = sources.loaded.valid
    for each in freshness_of(valid.values(), sources.ledger, sources.now):
        sources.fresh[each.dataset] = each
    for name in sorted({*sources.loaded.names, *sources.lake.datasets()}):
        facts = _described(name, valid.get(name), sources)
        try:
            yield _landed(facts, valid.get(name), sources)
        except PipelineError as error:
            # The rest of the site does not depend on it.
            yield replace(facts, problem=str(error), freshness="damaged")


def references_of(loaded: Loaded[DatasetSpecification]) -> tuple[Reference, ...]:
    """Return which columns have the values of others."""
    return tuple(
        Reference(name, column.name, *column.references.split(".", 1))
        for name, each in sorted(loaded.found.items())
        for column in each.known_columns
        if column.references
    )


def _described(
    name: str, specification: DatasetSpecification | None, sources: FactSources
) -> DatasetFacts:
    """Return what the catalogue says of a dataset."""
    problem = problem_of(sources.loaded.problems.get(name, ()))
    if specification is None:
        return DatasetFacts(name, problem=problem, freshness=UNKNOWN)
    return DatasetFacts(
        name,
        title=specification.title or "",
        description=specification.description or "",
        grain=specification.grain or specification.rows,
        owner=specification.owner or "",
        topic=specification.topic or "",
        tags=specification.tags,
        mode=str(specification.mode),
        promise=_length(specification.lasts),
        schedule=_scheduled(specification),
        retention=describe(specification.retention) if specification.retention else "",
        columns=columns_of(specification, {}, {}),
        checks=tuple(_checks(specification)),
        queries=tuple(_queries(specification, sources)),
        freshness=_light(sources.fresh.get(name)),
        age=_age(sources.fresh.get(name)),
    )


def _landed(
    facts: DatasetFacts, specification: DatasetSpecification | None, sources: FactSources
) -> DatasetFacts:
    """Return the facts with what has landed.

    Raises:
        StorageError, UnavailableError: the manifest is damaged, or cannot be read.
    """
    units = sources.ledger.units(facts.name)
    manifest = sources.lake.manifest(facts.name)
    entries = manifest.entries if manifest else ()
    rejected = sources.rejects.get(facts.name, Rejected())
    calendar, zone = _calendar(specification, sources.tenant)
    landed = LandedDays(entries, units, rejected.units)
    facts = replace(
        facts,
        days=days_of(specification, calendar, landed, sources.now, zone=zone),
        changes=sources.changes.get(facts.name, ()),
        rejects=tuple(rejected.reasons.most_common()),
    )
    if manifest is None:
        return _only_in_sql(facts, units)
    is_snapshot = manifest.mode == Mode.SNAPSHOT
    return replace(
        facts,
        mode=facts.mode or manifest.mode,
        rows=entries[-1].rows if is_snapshot and entries else sum(each.rows for each in entries),
        bytes=sum(file.bytes for each in entries for file in each.files),
        units=len(entries),
        repeated_keys=tuple(
            (each.unit, sources.repeated_keys[each.run_id, each.unit])
            for each in entries
            if (each.run_id, each.unit) in sources.repeated_keys
        ),
        first=entries[0].starts_at if entries else None,
        last=_reached(manifest),
        columns=columns_of(
            specification, manifest.schema_columns, read_profiles(sources.lake, facts.name)
        ),
        snippets=snippets_of(sources.lake, facts.name, manifest),
    )


def _only_in_sql(facts: DatasetFacts, units: Sequence[UnitRecord]) -> DatasetFacts:
    """Return what the ledger knows of a dataset that the lake has not."""
    landed = [each for each in units if each.landed_at]
    return replace(
        facts,
        rows=sum(each.rows_landed or 0 for each in landed),
        units=len(landed),
        first=min((each.starts_at for each in landed), default=None),
        last=max((each.ends_at for each in landed), default=None),
    )


def _reached(manifest: Manifest) -> datetime | None:
    if not manifest.entries:
        return None
    if manifest.mode == Mode.SNAPSHOT:
        return manifest.entries[-1].exported_at
    return max(each.ends_at for each in manifest.entries)


def _calendar(
    specification: DatasetSpecification | None, tenant: TenantSettings | None
) -> tuple[Calendar | None, ZoneInfo]:
    if specification is None or specification.window is None or tenant is None:
        return None, UTC
    zone = tenant.zone if specification.mode is Mode.SLICES else UTC
    return Calendar.of(specification, tenant), zone


def _light(fresh: Freshness | None) -> str:
    return _LIGHTS.get(fresh.light, NEVER) if fresh else NEVER


def _age(fresh: Freshness | None) -> str:
    return _length(fresh.age) if fresh and fresh.age is not None else ""


def _length(age: timedelta) -> str:
    """Return an age in its two largest units."""
    minutes = max(0, int(age.total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _scheduled(specification: DatasetSpecification) -> str:
    schedule = specification.schedule
    if schedule is None:
        return ""
    if schedule.every:
        return f"every {describe(schedule.every)}"
    return f"{_in_words(schedule.cron or '')} ({schedule.timezone})"


def _in_words(cron: str) -> str:
    """Return when a cron expression runs: in words, unless it is of an unusual kind."""
    found = parse_cron(cron)
    if len(found.minutes) > 1 or len(found.months) < _MONTHS or not found.any_day:
        return f"cron {cron}"
    (minute,) = found.minutes
    if len(found.hours) == _HOURS and found.any_weekday:
        return f"every hour at {minute} minutes past"
    if len(found.hours) > 1 or len(found.weekdays - {7}) not in {1, len(WEEKDAYS)}:
        return f"cron {cron}"
    (hour,) = found.hours
    day = "day" if found.any_weekday else WEEKDAYS[min(found.weekdays) % 7]
    return f"every {day} at {hour:02}:{minute:02}"


def _checks(specification: DatasetSpecification) -> Iterator[str]:
    private = private_columns(specification.known_columns)
    for check in specification.checks:
        said = check.model_dump(mode="json", exclude={"check"}, exclude_none=True)
        if private.intersection(check.named) and "values" in said:
            said["values"] = "not shown"
        parts = (f"{name} {_text(value)}" for name, value in said.items() if name != "severity")
        yield f"{check.check}: {', '.join(parts)} ({said['severity']})"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _queries(
    specification: DatasetSpecification, sources: FactSources
) -> Iterator[tuple[str, str]]:
    for query_id in specification.query_ids():
        try:
            text = read_text(query_path(sources.catalog, query_id)).strip()
        except (OSError, ValueError):
            continue
        yield query_id, shown_query(text, sources.personal)
