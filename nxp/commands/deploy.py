"""`nxp deploy`: bring the Prefect server in line with deployments/*.yaml, and show what changed."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from cyclopts import Parameter

from connectors.catalogue import load_datasets
from connectors.extras import require
from connectors.settings.installation import Settings, load_settings
from nxp.deployment import ENDS
from nxp.engine import check_answers, prepare
from nxp.options import Activate, DryRun, Json, Only
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from nxp.deployment.changes import ServerChange, WantedState


def deploy(
    *,
    pool: Annotated[
        str | None, Parameter(help="The work pool of all deployments, instead of the file's.")
    ] = None,
    dry_run: DryRun = False,
    resume: Annotated[
        bool,
        Parameter(negative="", help="Also undo what was paused or switched by hand on the server."),
    ] = False,
    only: Only = (),
    activate: Activate = (),
    as_json: Json = False,
) -> None:
    """Create, change and remove work pools, deployments and automations, as the files say.

    A dataset's schedule makes the deployments of its export and maintenance; prefect.yaml defines
    all others. A second run changes nothing. Only what has the tag managed:nxp is changed or
    removed. A schedule paused by hand stays paused. What acts on devices or people, or writes to a
    tenant, is inactive unless activated; if it is active and the file says otherwise, it is listed,
    then switched off. Alerts are sent to the webhook of NXP_ALERT_URL.
    """
    settings = load_settings()
    require("prefect", "nxp deploy")
    # The catalogue is read before anything is started.
    datasets = load_datasets(settings.catalog)
    prepare(settings)
    check_answers()
    from nxp.deployment.automations import load_automations  # noqa: PLC0415 - prefect, 2 s
    from nxp.deployment.changes import WantedState  # noqa: PLC0415
    from nxp.deployment.files import load_deployments, unused_schedules  # noqa: PLC0415
    from nxp.deployment.switches import SwitchRequest  # noqa: PLC0415

    alert_url = settings.alert_url.get_secret_value() if settings.alert_url else None
    wanted = WantedState(
        deployments=load_deployments(settings.catalog, pool),
        automations=load_automations(settings.catalog, datasets.values()),
        alert_url=alert_url,
        asked=SwitchRequest(resume=resume, only=only, activate=activate),
    )
    wanted.asked.check(wanted.deployments, wanted.automations)
    for unused in unused_schedules(wanted.deployments, datasets):
        say(unused)
    changes = bring(wanted, dry_run=dry_run)
    _print(changes, settings, dry_run=dry_run, as_json=as_json)


def bring(wanted: "WantedState", *, dry_run: bool = False) -> list["ServerChange"]:
    """Make the changes, each after those it depends on, and return them.

    Raises:
        UnavailableError, AccessError, ConfigurationError: the server is down, or refuses.
    """
    from nxp.deployment.changes import alerts, automations, pools_and_deployments  # noqa: PLC0415 - prefect
    from nxp.deployment.server import connected, look  # noqa: PLC0415

    done: list[ServerChange] = []

    def each(changes: Iterable["ServerChange"]) -> None:
        planned = list(changes)
        for change in planned:
            if change.ends:
                say(f"{ENDS}{change.ends}")
        for change in planned:
            if not dry_run:
                change.do()
            done.append(change)

    with connected() as client:
        found = look(client)
        each(pools_and_deployments(client, found, wanted))
        if not wanted.asked.only:
            each(alerts(client, found, wanted))
        if not dry_run:
            # Automations refer to deployments and the webhook by the server's own ids.
            found = look(client)
        # In a dry run it may not exist yet.
        webhook = (found.webhook or UUID(int=0)) if wanted.alert_url else None
        each(automations(client, found, wanted, webhook))
    return done


def _print(
    changes: list["ServerChange"], settings: Settings, *, dry_run: bool, as_json: bool
) -> None:
    rows = [(each.verb.value, each.kind, each.name, each.about, each.datasets) for each in changes]
    if as_json:
        names = ("verb", "kind", "name", "about", "datasets")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        shown = [
            (*row, ", ".join(datasets)) for *row, datasets in rows if row[0] != "left" or row[3]
        ]
        if shown:
            print_table(("", "what", "name", "about", "schedule of"), shown)
    counts = Counter(row[0] for row in rows)
    counted = ", ".join(f"{counts[verb]} {verb}" for verb in ("created", "changed", "removed"))
    changed = counts.total() - counts["left"]
    would = "would be " if dry_run else ""
    say(f"{would}{counted}, {counts['left']} left" if changed else "nothing to change")
    if settings.alert_url is None:
        say("NXP_ALERT_URL is not set: failures are reported to nobody; see docs/operations.md")
