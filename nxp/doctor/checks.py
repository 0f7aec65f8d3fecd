"""All checks of `nxp doctor`, in order: this machine, the tenant, the Prefect server."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from connectors.actions import load_actions
from connectors.catalogue import load_datasets
from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.settings.installation import Settings
from connectors.settings.tenants import load_tenant, tenant_name
from nxp.deployment.automations import load_automations
from nxp.deployment.files import load_deployments
from nxp.deployment.switches import Asked
from nxp.doctor.finding import Check, Finding, ok, warn
from nxp.doctor.installation import (
    look_at_catalogue,
    look_at_disk,
    look_at_lake,
    look_at_ledger,
    look_at_settings,
)
from nxp.doctor.server import Expected, look_at_server
from nxp.doctor.tenant import look_at_tenant
from nxp.engine import check_answers, knows_server


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
    yield Check("tenant", partial(_tenant, settings, profile, clock))
    yield Check("server", partial(_server, settings, pool, only, clock))


def _tenant(
    settings: Settings, profile: str | None, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    yield from look_at_tenant(load_tenant(settings, profile), clock)


def _server(
    settings: Settings, pool: str | None, only: tuple[str, ...], clock: Callable[[], datetime]
) -> Iterator[Finding]:
    # Read before the server is asked: a wrong file is not the server's fault.
    deployments = load_deployments(settings.catalog, pool)
    datasets = load_datasets(settings.catalog)
    automations = load_automations(settings.catalog, datasets.values())
    yield ok("files", f"{len(deployments)} deployments and {len(automations)} automations")
    if not knows_server():
        do = "nothing is scheduled without one: run nxp server start, or set PREFECT_API_URL"
        yield warn("server", "no Prefect server is known", do=do)
        return
    check_answers()
    actions = load_actions(settings.catalog)
    asked = Asked(only=only)
    asked.check(deployments, automations)
    expected = Expected(deployments, automations, actions, asked)
    yield from look_at_server(settings, expected, clock)
