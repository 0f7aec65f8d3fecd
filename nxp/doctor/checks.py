"""All checks of `nxp doctor`, in order: this machine, the tenant, the Prefect server."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from connectors.clock import utc_now
from connectors.errors import ConfigurationError, PipelineError
from connectors.extras import install, is_installed
from connectors.settings.installation import Settings
from connectors.settings.tenants import load_tenant, tenant_name
from nxp.doctor.finding import Check, Finding, fail, warn
from nxp.doctor.installation import (
    look_at_catalogue,
    look_at_disk,
    look_at_lake,
    look_at_ledger,
    look_at_settings,
)
from nxp.doctor.queries import look_at_queries
from nxp.doctor.tenant import look_at_tenant
from nxp.engine import knows_server


def all_checks(
    settings: Settings,
    *,
    profile: str | None = None,
    pool: str | None = None,
    only: tuple[str, ...] = (),
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[Check]:
    """Yield all checks; those that need the tenant's name are left out where it is not known."""
    yield Check("settings", partial(look_at_settings, settings))
    yield Check("catalogue", partial(look_at_catalogue, settings))
    yield Check("disk", partial(look_at_disk, settings))
    try:
        name = tenant_name(settings, profile)
    except PipelineError:
        # The check of the tenant reports it.
        name = None
    if name:
        yield Check("lake", partial(look_at_lake, settings, name))
        yield Check("ledger", partial(look_at_ledger, settings, name, clock))
        yield Check("queries", partial(look_at_queries, settings, name))
    yield Check("tenant", partial(_tenant, settings, profile, clock))
    yield Check("server", partial(_server, settings, pool, only, clock))


def _tenant(
    settings: Settings, profile: str | None, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    yield from look_at_tenant(load_tenant(settings, profile), settings.catalog, clock)


def _server(
    settings: Settings, pool: str | None, only: tuple[str, ...], clock: Callable[[], datetime]
) -> Iterator[Finding]:
    if is_installed("prefect"):
        from nxp.doctor.deployed import look_at_prefect  # noqa: PLC0415 - prefect, 2 s

        yield from look_at_prefect(settings, pool, only, clock)
    elif knows_server():
        what = "a Prefect server is known, but Prefect is not installed"
        yield fail("server", what, do=install("server"), code=ConfigurationError.exit_code)
    else:
        what = "Prefect is not installed: nothing is scheduled, and its files are not checked"
        yield warn("server", what, do=install("server"))
