"""All checks of `nxp doctor`, in order: this machine, the tenant, the Prefect server."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from connectors.actions import read_actions
from connectors.catalogue import load_datasets
from connectors.clock import utc_now
from connectors.errors import ConfigurationError, PipelineError
from connectors.settings.installation import Settings
from connectors.settings.tenants import load_tenant, tenant_name
from nxp.deployment.automations import load_automations
from nxp.deployment.files import load_deployments, unused_schedules
from nxp.deployment.switches import Asked
from nxp.doctor.finding import Check, Finding, fail, ok, warn
from nxp.doctor.installation import (
    look_at_catalogue,
    look_at_disk,
    look_at_lake,
    look_at_ledger,
    look_at_settings,
)
from nxp.doctor.queries import look_at_queries
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
    # Read before the server is asked: a wrong file is not the server's fault.
    expected: Expected | None = None
    try:
        read = expected = _expected(settings, pool, only)
        counts = f"{len(read.deployments)} deployments and {len(read.automations)} automations"
        yield ok("files", counts)
        for unused in unused_schedules(read.deployments, load_datasets(settings.catalog)):
            yield warn("files", unused, do="keep the schedule in one of the two files")
    except ConfigurationError as error:
        # What needs no files is looked at all the same.
        what = " ".join(str(error).split())
        yield fail("files", what, do="fix the file", code=error.exit_code)
    if not knows_server():
        do = "nothing is scheduled without one: run nxp server start, or set PREFECT_API_URL"
        yield warn("server", "no Prefect server is known", do=do)
        return
    check_answers()
    actions = read_actions(settings.catalog).valid
    yield from look_at_server(settings, expected, actions, clock)


def _expected(settings: Settings, pool: str | None, only: tuple[str, ...]) -> Expected:
    deployments = load_deployments(settings.catalog, pool)
    datasets = load_datasets(settings.catalog)
    automations = load_automations(settings.catalog, datasets.values())
    asked = Asked(only=only)
    asked.check(deployments, automations)
    return Expected(deployments, automations, asked)
