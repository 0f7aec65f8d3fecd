"""The checks of this machine: settings, catalogue, disk, lake, ledger, freshness of datasets."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from connectors.catalogue import read_datasets
from connectors.counting import first_of
from connectors.errors import ConfigurationError, PipelineError, StorageError
from connectors.lake import Lake
from connectors.ledger import HEAD, Ledger, ledger_version, open_ledger
from connectors.settings.described import is_known
from connectors.settings.installation import Settings, prepare_home
from connectors.settings.places import URL
from nxp.catalogue import read_catalogue
from nxp.doctor.asked import look_at_limits
from nxp.doctor.finding import Finding, fail, ok, warn
from nxp.doctor.traces import nothing_left
from tasks.land.agreement import check_lake, missing_files
from tasks.runs.freshness import freshness_of

MB = 1_000_000
LEAST_MB = 500
# With less, a single window may not fit, and a Prefect server does not start.
FULL_MB = 50
STALE = 7
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SHOWN = 5


def look_at_settings(settings: Settings) -> Iterator[Finding]:
    """Look for misspelt variables, and for state that other machines cannot see."""
    ours = (name for name in sorted(os.environ) if name.startswith(("NXP_", "NEXTHINK_")))
    unknown = [name for name in ours if not is_known(name)]
    if unknown:
        yield warn("settings", f"no setting is named {', '.join(unknown)}", do="fix the spelling")
    server = urlsplit(os.environ.get("PREFECT_API_URL", "")).hostname
    if server and server not in LOOPBACK:
        shared = settings.ledger_url.get_secret_value()
        if shared.startswith("sqlite"):
            yield warn(
                "settings",
                "the ledger is a SQLite file, but the Prefect server is on another machine",
                do="workers must share a ledger: set NXP_LEDGER_URL to a PostgreSQL database",
            )
        if not URL.match(settings.lake):
            yield warn(
                "settings",
                "the lake is a folder, but the Prefect server is on another machine",
                do="workers must share a lake: object storage, or a folder that all of them mount",
            )
    with nothing_left(settings.home):
        prepare_home(settings)
    yield ok("settings", f"NXP_HOME is {settings.home}")


def look_at_catalogue(settings: Settings) -> Iterator[Finding]:
    """Validate datasets, syncs and actions."""
    read = read_catalogue(settings.catalog)
    for problem in read.problems:
        yield fail("catalogue", problem, do="fix the file", code=ConfigurationError.exit_code)
    for note in read.notes:
        is_unconnected = "cannot run yet" in note
        do = (
            "if the sync should run here, see docs/sources.md"
            if is_unconnected
            else "see nxp check"
        )
        yield warn("catalogue", note, do=do)
    if not read.problems:
        yield ok("catalogue", read.counted)


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """Check how much space is free at NXP_HOME, and in the lake if it is a folder."""
    places = {"NXP_HOME": settings.home}
    if not URL.match(settings.lake):
        places["NXP_LAKE"] = Path(settings.lake)
    for name, place in places.items():
        free = shutil.disk_usage(_existing(place)).free // MB
        do = "free some space with nxp maintain NAME, or use another disk"
        if free < FULL_MB:
            yield fail("disk", f"{name}: {free} MB left", do=do, code=StorageError.exit_code)
        elif free < LEAST_MB:
            yield warn("disk", f"{name}: {free} MB left", do=do)
        else:
            yield ok("disk", f"{name}: {free:,} MB left")


def _existing(place: Path) -> Path:
    return next(each for each in (place, *place.parents) if each.exists())


def look_at_lake(settings: Settings, tenant: str) -> Iterator[Finding]:
    """Write a file into the tenant's part of the lake, and delete it and the folders it needed."""
    scratch = settings.home / "staging"
    lake = Lake(settings.lake, tenant, scratch)
    places = [scratch]
    if not URL.match(settings.lake):
        own = Path(settings.lake) / tenant
        places += [own / "_staging", own / "_probe"]
    with nothing_left(*places):
        lake.check_writable()
        # If doctor is killed here, `nxp maintain` deletes the file.
        probe = "_probe/doctor"
        lake.store.write(probe, b"")
        lake.store.delete([probe])
    yield ok("lake", f"{lake.location()} can be written")


def look_at_ledger(
    settings: Settings, tenant: str, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Check that the ledger has this program's version, then what runs left in it."""
    url = settings.ledger_url.get_secret_value()
    version = ledger_version(url)
    if version is None:
        do = "the first run creates them: nxp export NAME"
        yield warn("ledger", "it has no tables yet", do=do)
        return
    if version != HEAD:
        older = version < HEAD
        yield fail(
            "ledger",
            f"its tables have version {version}, this program needs {HEAD}",
            do="stop workers of the older program; the next run upgrades it"
            if older
            else "upgrade this program",
            code=ConfigurationError.exit_code,
        )
        return
    yield ok("ledger", f"reached, tables of version {version}")
    with open_ledger(url, tenant, clock) as ledger:
        yield from look_at_limits(ledger)
        yield from _agreement(settings, ledger, clock())
        yield from _left_behind(ledger)
        yield from _freshness(settings, ledger, clock())


def _agreement(settings: Settings, ledger: Ledger, now: datetime) -> Iterator[Finding]:
    """Compare the ledger with the manifests: they differ if NXP_LAKE names another lake."""
    lake, wrong = Lake(settings.lake, ledger.tenant), 0
    for name, specification in read_datasets(settings.catalog).valid.items():
        try:
            check_lake(specification, lake, ledger.units(name), now)
            if lost := missing_files(lake, name):
                wrong += 1
                what = f"{name}: {len(lost)} files that its manifest names are missing: {lost[0]}"
                code = StorageError.exit_code
                yield fail("landed", what, do="restore them, or land their units again", code=code)
        except PipelineError as error:
            wrong += 1
            what, _, do = str(error).partition(": set NXP_LAKE")
            do = f"set NXP_LAKE{do}" if do else "see the message"
            yield fail("landed", what, do=do, code=error.exit_code)
    if not wrong:
        yield ok("landed", "the lake has what the ledger calls landed")


def _left_behind(ledger: Ledger) -> Iterator[Finding]:
    lapsed = ledger.lapsed_leases()
    if lapsed:
        what = f"{len(lapsed)} leases have expired: {first_of(lapsed, SHOWN)}"
        yield warn("leases", what, do="the next run takes them over; see nxp runs")
    else:
        yield ok("leases", "none was left behind")
    gone = [
        f"{run['dataset']} {run['run_id']}"
        for run in ledger.runs(limit=200)
        if run["state"] == "interrupted" and run["finished_at"] is None
    ]
    if gone:
        what = f"{len(gone)} runs ended without reporting: {first_of(gone, SHOWN)}"
        yield warn("runs", what, do="the next run of any dataset closes them and cleans up")


def _freshness(settings: Settings, ledger: Ledger, now: datetime) -> Iterator[Finding]:
    # The check of the catalogue reports those with problems.
    datasets = read_datasets(settings.catalog).valid
    never, stale = [], 0
    for fresh in freshness_of(datasets.values(), ledger, now):
        name = fresh.dataset
        if fresh.age is None:
            never.append(name)
        elif fresh.age > datasets[name].lasts:
            stale += 1
            do = f"see nxp datasets {name} and nxp runs {name}"
            yield fail("freshness", f"{name} is {_age(fresh.age)} old", do=do, code=STALE)
    if never:
        yield warn("freshness", f"never landed: {', '.join(never)}", do="nxp export NAME")
    if not stale:
        yield ok("freshness", f"{len(datasets) - len(never)} datasets are fresh enough")


def _age(age: timedelta) -> str:
    hours = age // timedelta(hours=1)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"  # noqa: PLR2004 - three days
