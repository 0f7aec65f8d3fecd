"""`nxp check`: whether settings and catalogue are valid, and whether the tenant lets us in."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification
from connectors.errors import ConfigurationError, PipelineError
from connectors.extras import require
from connectors.project import find_project, is_set
from connectors.settings.installation import Settings, load_settings, prepare_home
from connectors.settings.place_problems import place_problems
from connectors.settings.places import URL
from connectors.settings.tenants import TenantSettings, load_tenant
from nxp.catalogue import Catalogue, derived_columns, in_words, read_catalogue
from nxp.options import Json, Tenant
from nxp.output import print_json, say
from nxp.tenant_asked import TenantAnswer, ask_tenant, kept_outcomes

if TYPE_CHECKING:
    from nxp.answers.steps import Step


def check(
    *,
    connect: Annotated[
        bool, Parameter(negative="", help="Also log in to the tenant, to check the credential.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Validate settings and catalogue, and list all problems at once, of files and connection.

    In a project it also says what a real tenant still needs, in order, with the page of Nexthink's
    administration to open; with --connect it looks for saved queries of datasets that never landed.
    """
    settings = load_settings()
    found, unset = _tenant(settings, tenant)
    places = place_problems(settings, found.name if found else None)
    if not places:
        prepare_home(settings)
    read = read_catalogue(settings.catalog)
    problems = [*places, *unset, *_not_installed(settings, read.datasets), *read.problems]
    unfit, notes = _tables(settings, read.datasets, found)
    problems += unfit
    read.notes += notes
    unfit, derived = _derived(settings, read.datasets)
    problems += unfit
    asked = TenantAnswer()
    if connect and found:
        asked = ask_tenant(found, settings, read.datasets, queries=_is_in_project())
    read.notes += asked.notes
    needed = _steps(settings, unset, found, read, asked) if _is_in_project() else []
    if problems or found is None or asked.refused:
        _say_missing(needed)
        raise _failure(problems, asked.refused)
    read.notes += _orphans(settings, found.name)
    has_lake = _can_look(settings, found.name, connect=connect)
    if has_lake:
        read.notes += _contract_changes(settings, found.name, read.datasets)
    if read.questions:
        from nxp.question_check import question_notes  # noqa: PLC0415 - DuckDB, only for questions

        read.notes += question_notes(settings, found.name if has_lake else None, read.datasets)
    shown = {
        "tenant": found.name,
        "datasets": list(read.datasets),
        "syncs": read.syncs,
        "actions": read.actions,
        "questions": read.questions,
        "derived": derived,
        "notes": read.notes,
        "connected": connect,
        "steps": needed,
    }
    if as_json:
        print_json(shown)
        return
    _say_valid(found, read, derived, connect=connect)
    _say_missing(needed)


def _can_look(settings: Settings, tenant: str, *, connect: bool) -> bool:
    """Return whether the lake can be read: one in a bucket only if connections are wanted."""
    in_folder = (Path(settings.lake) / tenant).is_dir()
    return in_folder or (connect and URL.match(settings.lake) is not None)


def _say_valid(
    tenant: TenantSettings,
    read: Catalogue,
    derived: Mapping[str, Mapping[str, str]],
    *,
    connect: bool,
) -> None:
    said = f"{tenant.login_url} issued a token" if connect else "the tenant was not contacted"
    say(f"settings of tenant {tenant.name} and {read.counted} are valid; {said}")
    for name, columns in derived.items():
        say(f"{name} derives {in_words(columns)}")
    for note in read.notes:
        say(note)


def _tenant(settings: Settings, profile: str | None) -> tuple[TenantSettings | None, list[str]]:
    """Return the tenant, or what is wrong with its settings."""
    try:
        return load_tenant(settings, profile), []
    except ConfigurationError as error:
        return None, list(error.problems) or [str(error)]


def _failure(problems: Sequence[str], refused: PipelineError | None) -> PipelineError:
    """Return the error of the whole check: the tenant's own if nothing else is wrong."""
    if refused and not problems:
        return refused
    listed = [*problems, str(refused)] if refused else problems
    return ConfigurationError("check", problems=tuple(listed))


def _is_in_project() -> bool:
    """Return whether the catalogue is that of nxp.toml, rather than one that a variable names."""
    return not is_set(os.environ, "NXP_CATALOG") and find_project() is not None


def _steps(
    settings: Settings,
    unset: Sequence[str],
    tenant: TenantSettings | None,
    read: Catalogue,
    asked: TenantAnswer,
) -> "list[Step]":
    """Return what the tenant needs, as far as settings, catalogue and the last answers show it."""
    from nxp.tenant_steps import steps  # noqa: PLC0415 - only in a project

    outcomes = dict(asked.outcomes)
    if tenant and (settings.home / "nql_diff" / f"{tenant.name}.json").is_file():
        outcomes = kept_outcomes(settings, tenant.name, read.datasets) | outcomes
    ids = dict.fromkeys(each for one in read.datasets.values() for each in one.query_ids())
    uses = {
        # Also those with problems, which are listed already.
        "datasets": [path.stem for path in (settings.catalog / "datasets").glob("*.yaml")],
        "syncs": read.syncs,
        "actions": read.actions,
        "queries": list(ids),
    }
    return steps(
        problems=unset,
        refused=str(asked.refused) if asked.refused else None,
        connected=asked.is_connected,
        outcomes=outcomes,
        uses=uses,
        retention=bool(tenant and tenant.tenant_retention),
    )


def _say_missing(needed: "Sequence[Step]") -> None:
    """Print what the tenant needs, if anything of it is known to be missing."""
    if any(each.state == "missing" for each in needed):
        from nxp.tenant_steps import lines  # noqa: PLC0415 - imported by then

        for line in lines(needed):
            say(line)


def _not_installed(settings: Settings, datasets: Mapping[str, DatasetSpecification]) -> list[str]:
    """Return which packages are missing for lake, ledger and Delta tables."""
    needed = {}
    if any(each.in_delta for each in datasets.values()):
        needed["deltalake"] = "landings: delta"
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
    from connectors.databases.tables import table_findings  # noqa: PLC0415 - only for tables

    # SQLAlchemy takes a quarter of a second.
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
