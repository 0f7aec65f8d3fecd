"""The checks that need Prefect: what its files have, and whether the server agrees with them."""

from collections.abc import Callable, Iterator
from datetime import datetime

from connectors.actions import read_actions
from connectors.catalogue import load_datasets
from connectors.errors import ConfigurationError
from connectors.settings.installation import Settings
from nxp.deployment.automations import load_automations
from nxp.deployment.files import load_deployments, unused_schedules
from nxp.deployment.switches import SwitchRequest
from nxp.doctor.finding import Finding, fail, ok, warn
from nxp.doctor.server import Expected, look_at_server
from nxp.engine import check_answers, knows_server


def look_at_prefect(
    settings: Settings, pool: str | None, only: tuple[str, ...], clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Validate the files, then compare the server with them if one is known."""
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
    asked = SwitchRequest(only=only)
    asked.check(deployments, automations)
    return Expected(deployments, automations, asked)
