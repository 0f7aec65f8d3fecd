"""The deployments that the schedules of datasets make: their exports, and their maintenance."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zlib import crc32

from pydantic import BaseModel, ConfigDict

from connectors.catalogue import DAY, DatasetSpecification, Mode
from connectors.catalogue.schedule import Schedule
from connectors.catalogue.specification import describe
from nxp.deployment.entries import ConcurrencyLimit, DeploymentEntry, Pool, Timetable

EXPORT: Final = "flows.export.nql_export"
MAINTAIN: Final = "flows.maintain.maintain"
INVENTORY: Final = "inventory"
DEVICES: Final = "devices"
HOUR: Final = timedelta(hours=1)
MONTH: Final = range(28, 32)
# Maintenance runs once a day in these two hours of UTC, at a minute that follows from the name.
MAINTAIN_HOUR: Final = 3
MAINTAIN_MINUTES: Final = 120


class Common(BaseModel):
    """What all exports have in common, or all maintenance: a part of the file's `definitions`."""

    model_config = ConfigDict(frozen=True)

    work_pool: Pool = Pool(name="nexthink")
    tags: tuple[str, ...]
    concurrency_limit: ConcurrencyLimit | None = ConcurrencyLimit(limit=1)


class SharedDefinitions(BaseModel):
    """The `definitions` of prefect.yaml that deployments made from schedules share."""

    model_config = ConfigDict(frozen=True)

    export: Common = Common(tags=("nexthink", "export", "owner:data-platform"))
    maintain: Common = Common(tags=("nexthink", "maintain", "owner:data-platform"))


@dataclass(frozen=True, slots=True)
class Made:
    """A deployment, and the datasets whose schedule made it."""

    entry: DeploymentEntry
    datasets: tuple[str, ...]


def lands_on_schedule(entry: DeploymentEntry) -> tuple[str, ...]:
    """Return the datasets that an entry of the file exports by a schedule."""
    return entry.datasets if entry.entrypoint == EXPORT and entry.schedules else ()


def made_by_schedules(
    datasets: Iterable[DatasetSpecification],
    entries: Iterable[DeploymentEntry],
    shared: SharedDefinitions,
) -> list[Made]:
    """Return the deployments of all datasets with a schedule of their own.

    Args:
        datasets: the catalogue's.
        entries: those of the file: a dataset that one of them exports or maintains by a schedule
            is left to it.
        shared: work pools, tags and limits.
    """
    entries = list(entries)
    exported = {name for each in entries for name in lands_on_schedule(each)}
    maintained = {
        name
        for each in entries
        if each.entrypoint == MAINTAIN and each.schedules
        for name in each.datasets
    }
    scheduled = [(each, each.schedule) for each in datasets if each.schedule]
    groups = _groups((each, when) for each, when in scheduled if each.dataset not in exported)
    named = zip(_names(groups), groups, strict=True)
    known = {each.dataset: each for each, _ in scheduled}
    exports = [
        _export(name, [known[each] for each in group], when, shared.export)
        for name, (group, when) in named
    ]
    return exports + [
        _maintenance(each.dataset, shared.maintain)
        for each, _ in scheduled
        if each.dataset not in maintained
    ]


Group = tuple[tuple[str, ...], Schedule]


def _groups(scheduled: Iterable[tuple[DatasetSpecification, Schedule]]) -> list[Group]:
    """Return what runs as one: snapshots with the same schedule; every other dataset alone."""
    together: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    whens: dict[tuple[str, ...], Schedule] = {}
    for each, when in scheduled:
        alone = () if each.mode is Mode.SNAPSHOT else (each.dataset,)
        together[*when.key, *alone].append(each.dataset)
        whens[*when.key, *alone] = when
    return sorted((tuple(sorted(names)), whens[key]) for key, names in together.items())


def _names(groups: Sequence[Group]) -> list[str]:
    """Return a name for each group: of its only dataset, or `inventory`, and how often it runs.

    Of several inventories that run as often, the one with the devices keeps the plain name, so
    that it does not change when another one is added.
    """
    plain = [
        _plain(names[0].replace("_", "-") if len(names) == 1 else INVENTORY, how_often(when))
        for names, when in groups
    ]
    counts = Counter(plain)
    return [
        name
        if counts[name] == 1 or len(names) == 1 or DEVICES in names
        else f"{name}-{names[0].replace('_', '-')}"
        for name, (names, _) in zip(plain, groups, strict=True)
    ]


def _plain(name: str, often: str) -> str:
    """Return a name with how often it runs, which some names say already."""
    return name if name.endswith(f"-{often}") else f"{name}-{often}"


def how_often(schedule: Schedule) -> str:
    """Return a word for how often a schedule runs, as names of deployments have it."""
    shortest, longest = schedule.gaps
    if shortest == longest < DAY:
        return "hourly" if longest == HOUR else f"every-{describe(longest)}"
    if longest <= DAY:
        return "daily"
    if shortest == longest == 7 * DAY:
        return "weekly"
    is_monthly = shortest.days in MONTH and longest.days in MONTH
    return "monthly" if is_monthly else "scheduled"


def _export(
    name: str, datasets: Sequence[DatasetSpecification], schedule: Schedule, common: Common
) -> Made:
    names = tuple(each.dataset for each in datasets)
    if len(names) == 1:
        about = f"Export {names[0]}, by the schedule of datasets/{names[0]}.yaml."
        parameters: dict[str, object] = {"dataset": names[0]}
    else:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        about = f"Export {listed} in one run, by the schedule of their files in datasets."
        parameters = {"dataset": list(names)}
    if any(column.personal for each in datasets for column in each.columns):
        about += " Personal data."
    timetable = Timetable(
        slug=name,
        cron=schedule.cron,
        interval=schedule.every,
        timezone=schedule.timezone,
        active=schedule.active,
    )
    return Made(_entry(name, EXPORT, about, parameters, timetable, common), names)


def _maintenance(dataset: str, common: Common) -> Made:
    name = f"maintain-{dataset.replace('_', '-')}"
    hours, minute = divmod(crc32(name.encode()) % MAINTAIN_MINUTES, 60)
    cron = f"{minute} {MAINTAIN_HOUR + hours} * * *"
    about = "Delete data past its retention, and superseded files after a grace period."
    timetable = Timetable(slug=name, cron=cron, timezone="UTC")
    entry = _entry(name, MAINTAIN, about, {"dataset": dataset}, timetable, common)
    return Made(entry, (dataset,))


def _entry(
    name: str,
    entrypoint: str,
    about: str,
    parameters: dict[str, object],
    timetable: Timetable,
    common: Common,
) -> DeploymentEntry:
    return DeploymentEntry(
        name=name,
        entrypoint=entrypoint,
        description=about,
        parameters=parameters,
        schedules=(timetable,),
        work_pool=common.work_pool,
        tags=common.tags,
        concurrency_limit=common.concurrency_limit,
    )
