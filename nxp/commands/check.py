"""`nxp check`: whether settings and catalogue are valid, and whether the tenant lets us in."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification
from connectors.clock import utc_now
from connectors.databases.tables import table_findings
from connectors.errors import ConfigurationError, PipelineError
from connectors.extras import require
from connectors.settings.installation import Settings, load_settings, prepare_home
from connectors.settings.places import URL
from connectors.settings.tenants import TenantSettings, load_tenant
from nxp.catalogue import derived_columns, in_words, read_catalogue
from nxp.options import Json, Tenant
from nxp.output import print_json, say


def check(
    *,
    connect: Annotated[
        bool, Parameter(negative="", help="Also log in to the tenant, to check the credential.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Validate settings and catalogue, and list all problems at once, of files and connection."""
    problems: list[str] = []
    settings = load_settings()
    prepare_home(settings)
    found = None
    try:
        found = load_tenant(settings, tenant)
    except ConfigurationError as error:
        problems += error.problems or [str(error)]
    problems += _not_installed(settings)
    read = read_catalogue(settings.catalog)
    problems += read.problems
    unfit, notes = _tables(settings, read.datasets, found)
    problems += unfit
    read.notes += notes
    unfit, derived = _derived(settings, read.datasets)
    problems += unfit
    refused, kept = _connected(found, settings) if connect and found else (None, [])
    read.notes += kept
    if problems or found is None:
        listed = [*problems, str(refused)] if refused else problems
        raise ConfigurationError("check", problems=tuple(listed))
    if refused:
        raise refused
    read.notes += _orphans(settings, found.name)
    if (Path(settings.lake) / found.name).is_dir() or (connect and URL.match(settings.lake)):
        read.notes += _contract_changes(settings, found.name, read.datasets)
    if as_json:
        print_json(
            {
                "tenant": found.name,
                "datasets": list(read.datasets),
                "syncs": read.syncs,
                "actions": read.actions,
                "derived": derived,
                "notes": read.notes,
                "connected": connect,
            }
        )
    else:
        said = f"{found.login_url} issued a token" if connect else "the tenant was not contacted"
        say(f"settings of tenant {found.name} and {read.counted} are valid; {said}")
        for name, columns in derived.items():
            say(f"{name} derives {in_words(columns)}")
        for note in read.notes:
            say(note)


def _not_installed(settings: Settings) -> list[str]:
    """Return which packages are missing for the places where lake and ledger are."""
    needed = {}
    if URL.match(settings.lake):
        needed["obstore"] = "NXP_LAKE: a lake on object storage"
    if settings.ledger_url.get_secret_value().startswith("postgres"):
        needed["psycopg"] = "NXP_LEDGER_URL: a ledger in PostgreSQL"
    problems = []
    for module, what in needed.items():
        try:
            require(module, what)
        except ConfigurationError as error:
            problems.append(error.message)
    return problems


def _tables(
    settings: Settings,
    datasets: Mapping[str, DatasetSpecification],
    tenant: TenantSettings | None,
) -> tuple[list[str], list[str]]:
    """Return problems of the tables that datasets land in, and notes about them."""
    landing = {name: each for name, each in datasets.items() if each.sql}
    if settings.database_url is None:
        missing = "lands in a table, but NXP_DATABASE_URL is not set"
        return [f"{name}.yaml: {missing}" for name in landing], []
    if tenant is None or not landing:
        return [], []
    # SQLAlchemy takes a quarter of a second, and is needed for a table alone.
    from connectors.databases.urls import driver_problem  # noqa: PLC0415

    url = settings.database_url.get_secret_value()
    if problem := driver_problem(url):
        return [problem], []
    return table_findings(landing, url, tenant.name)


def _derived(
    settings: Settings, datasets: Mapping[str, DatasetSpecification]
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Return problems of transforms, and the columns that datasets derive, with their types."""
    problems, derived = [], {}
    for name, specification in datasets.items():
        try:
            if columns := derived_columns(specification, settings):
                derived[name] = columns
        except ConfigurationError as error:
            problems.append(f"{name}.yaml: {error.message.removeprefix(f'{name}: ')}")
    return problems, derived


def _orphans(settings: Settings, tenant: str) -> list[str]:
    """Return notes about values of syncs that the catalogue no longer has."""
    _, found, file = settings.ledger_url.get_secret_value().partition("sqlite:///")
    if found and not _has_syncs(Path(file)):
        return []
    from nxp.sync_orphans import orphan_notes  # noqa: PLC0415 - SQLAlchemy, only with a ledger

    return orphan_notes(settings, tenant)


def _has_syncs(ledger: Path) -> bool:
    """Return whether a SQLite ledger knows any sync, without SQLAlchemy, which takes its time."""
    import sqlite3  # noqa: PLC0415 - only where there may be a ledger

    if not ledger.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return opened.execute("SELECT 1 FROM syncs LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        # Opening it in full says what is wrong.
        return True


def _connected(
    tenant: TenantSettings, settings: Settings
) -> tuple[PipelineError | None, list[str]]:
    """Log in to the tenant; return why that failed, if it did, and how far back it keeps data."""
    from nxp.doctor.retention import look_at_retention  # noqa: PLC0415 - httpx, only to connect
    from tasks.runs.counted import counted_client  # noqa: PLC0415

    try:
        with counted_client(settings, tenant) as (client, _):
            client.authenticate()
            found = list(look_at_retention(client, tenant, settings.catalog, utc_now))
    except PipelineError as error:
        return error, []
    return None, [f"retention of {each.what}{each.do and f': {each.do}'}" for each in found]


def _contract_changes(
    settings: Settings, tenant: str, datasets: Mapping[str, DatasetSpecification]
) -> list[str]:
    """Return what the next landing of each dataset changes about its columns in the lake."""
    from connectors.lake import Lake  # noqa: PLC0415 - only where something has landed
    from tasks.columns.contract import announced  # noqa: PLC0415

    lake, notes = Lake(settings.lake, tenant), []
    for name, specification in datasets.items():
        try:
            manifest = lake.manifest(name) if specification.in_lake else None
        except PipelineError as error:
            notes.append(f"{name}: what has landed cannot be compared: {error}")
            continue
        change = announced(specification, manifest.schema_columns) if manifest else None
        notes += [f"{name}: the next landing {change}"] if change else []
    return notes
