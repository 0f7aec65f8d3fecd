"""`nxp check`: are settings and catalogue right, and does the tenant let us in?"""

import os
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from connectors.catalogue import ACTIONS, SYNCS, load_datasets
from connectors.errors import ConfigurationError
from connectors.settings import load_settings, prepare_home
from connectors.tenants import load_tenant
from nxp.options import Json, Tenant
from nxp.output import print_json, say

if TYPE_CHECKING:
    from connectors.sources import Sources


def check(
    *,
    connect: Annotated[
        bool, Parameter(negative="", help="Also take a token from the tenant.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Validate settings and catalogue; all problems are listed at once."""
    problems: list[str] = []
    settings = load_settings()
    prepare_home(settings)
    found = None
    try:
        found = load_tenant(settings, tenant)
    except ConfigurationError as error:
        problems += error.problems or [str(error)]
    try:
        datasets = load_datasets(settings.catalog)
    except ConfigurationError as error:
        problems += error.problems or [str(error)]
        datasets = {}
    syncs, notes = _syncs(settings.catalog, problems)
    actions = _actions(settings.catalog, problems)
    if settings.database_url is None:
        problems += [
            f"{name}.yaml: lands in a table, and NXP_DATABASE_URL is not set"
            for name, specification in datasets.items()
            if specification.sql
        ]
    if problems or found is None:
        raise ConfigurationError("check", problems=tuple(problems))
    if connect:
        from connectors.nexthink import NexthinkClient  # noqa: PLC0415 - httpx, only to connect

        with NexthinkClient(found) as client:
            client.authenticate()
    if as_json:
        print_json(
            {
                "tenant": found.name,
                "datasets": list(datasets),
                "syncs": syncs,
                "actions": actions,
                "notes": notes,
                "connected": connect,
            }
        )
    else:
        said = f"a token was given by {found.login_url}" if connect else "nothing was asked of it"
        counted = _counted(datasets=datasets, syncs=syncs, actions=actions)
        say(f"settings of tenant {found.name} and {counted} are valid; {said}")
        for note in notes:
            say(note)


def _syncs(catalog: Path, problems: list[str]) -> tuple[list[str], list[str]]:
    """Validate the syncs and their connections; gives their names, and what is no error."""
    if not any((catalog / SYNCS).glob("*.yaml")):
        return [], []
    # Half a second of databases and frames, only where there are syncs.
    from connectors.syncs import load_syncs  # noqa: PLC0415

    try:
        syncs = load_syncs(catalog)
    except ConfigurationError as error:
        # Those of the datasets are told already.
        problems += [each for each in error.problems or [str(error)] if each not in problems]
        return [], []
    notes = []
    for name, sync in syncs.items():
        notes += _unconnected(name, sync.sources, problems)
        notes += [
            f"{name}: {field} cannot be emptied: the API has no value that does it"
            for field in sync.not_clearable
        ]
    return list(syncs), notes


def _actions(catalog: Path, problems: list[str]) -> list[str]:
    """Validate the actions; gives their names."""
    if not any((catalog / ACTIONS).glob("*.yaml")):
        return []
    from connectors.actions import load_actions  # noqa: PLC0415 - httpx, only where there are some

    try:
        return list(load_actions(catalog))
    except ConfigurationError as error:
        problems += error.problems or [str(error)]
        return []


def _counted(**kinds: Sized) -> str:
    """Say how many there are of each kind, of those there are any."""
    told = [f"{len(found)} {kind}" for kind, found in kinds.items() if found]
    return " and ".join(filter(None, [", ".join(told[:-1]), *told[-1:]]))


def _unconnected(sync: str, sources: "Sources", problems: list[str]) -> list[str]:
    """Validate the connections of a sync; one of which nothing is set is not used here yet."""
    from connectors.sources import Sources, load_connections  # noqa: PLC0415
    from connectors.sources.connection import is_begun, variable  # noqa: PLC0415

    names = {each.connection_name for each in sources.root.values()} - {None}
    unset = sorted(name for name in names if name and not is_begun(name, os.environ))
    begun = {name: each for name, each in sources.root.items() if each.connection_name not in unset}
    try:
        if begun:
            load_connections(Sources(begun))
    except ConfigurationError as error:
        problems += [f"{sync}.yaml: {problem}" for problem in error.problems]
    return [f"{sync}: cannot run yet: {variable(name, 'url')} is not set" for name in unset]
