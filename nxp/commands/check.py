"""`nxp check`: are settings and catalogue valid, and does the tenant accept the credential?"""

from typing import Annotated

from cyclopts import Parameter

from connectors.errors import ConfigurationError
from connectors.settings.installation import load_settings, prepare_home
from connectors.settings.tenants import load_tenant
from nxp.catalogue import read_catalogue
from nxp.options import Json, Tenant
from nxp.output import print_json, say


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
    read = read_catalogue(settings.catalog)
    problems += read.problems
    if settings.database_url is None:
        problems += [
            f"{name}.yaml: lands in a table, and NXP_DATABASE_URL is not set"
            for name, specification in read.datasets.items()
            if specification.sql
        ]
    if problems or found is None:
        raise ConfigurationError("check", problems=tuple(problems))
    if connect:
        from connectors.nexthink.client import NexthinkClient  # noqa: PLC0415 - httpx, only to connect

        with NexthinkClient(found) as client:
            client.authenticate()
    if as_json:
        print_json(
            {
                "tenant": found.name,
                "datasets": list(read.datasets),
                "syncs": read.syncs,
                "actions": read.actions,
                "notes": read.notes,
                "connected": connect,
            }
        )
    else:
        said = f"a token was given by {found.login_url}" if connect else "nothing was asked of it"
        say(f"settings of tenant {found.name} and {read.counted} are valid; {said}")
        for note in read.notes:
            say(note)
