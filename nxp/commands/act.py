"""`nxp act`: actions of the catalogue, from a plan to its outcome."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import ACTIONS, check_named
from connectors.counting import number_of
from connectors.errors import NotApprovedError, UsageError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.acting import (
    NEWEST,
    STAGES,
    card_as_json,
    open_own_ledger,
    print_card,
    print_plan,
    print_report,
)
from nxp.engine import require_prefect, run_reported
from nxp.options import Action, DryRun, Json, Parameters, Prefect, Tenant, parse_parameters
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.act.asked import ActionAsked
    from tasks.act.run import ChosenAction
    from tasks.act.status import ShownPlan

# Of the devices that are left out.
MOST_NAMED = 10
Device = Annotated[
    tuple[str, ...],
    Parameter(
        name="--device", negative="", help="Name, uid or collector id of a device; repeatable."
    ),
]
Targets = Annotated[
    Path | None,
    Parameter(name="--targets", help="A file with a device, a person, or device,person per line."),
]
Who = Annotated[str | None, Parameter(help="Your name; it is kept as the approver.")]
Why = Annotated[str | None, Parameter(help="The reason; it is kept.")]
Ticket = Annotated[str | None, Parameter(help="The ticket; it is sent with the request, and kept.")]
PlanId = Annotated[str | None, Parameter(name="--plan", help="Id of the plan.")]


def plan(
    action: Action,
    *,
    device: Device = (),
    targets: Targets = None,
    parameter: Parameters = (),
    ticket: Ticket = None,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan ACTION: whom it acts on, who is left out and why, in which requests. Nothing is sent."""
    check_named(load_settings().catalog, action, ACTIONS)
    from tasks.act.asked import ActionAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.act.run import choose_action  # noqa: PLC0415

    parameters = parse_parameters(parameter)
    # What can be checked without the tenant is checked before a run begins.
    asked = ActionAsked(device, _absolute(targets), parameters, ticket=ticket)
    chosen = choose_action(action, tenant)

    def story() -> None:
        from tasks.stories import act as stories  # noqa: PLC0415 - after the checks

        stories.plan(chosen, asked)

    def flow() -> None:
        from flows.actions import action_plan  # noqa: PLC0415 - prefect, 2 s

        action_plan(action, device, _absolute(targets), parameters, ticket or "", tenant)

    def show(report: dict[str, Any]) -> None:
        print_plan(report, as_json=as_json)
        _say_left_out(tenant, report, device)
        if report["plan_id"] and not as_json:
            print_card(_shown(tenant, action, report["plan_id"]))

    run_reported(chosen.settings, prefect, stages=STAGES, story=story, flow=flow, show=show)


def show(
    action: Action,
    *,
    plan: PlanId = None,
    full: Annotated[
        bool, Parameter(negative="", help="Also list everybody it names: personal data.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show a plan of ACTION on one card, for the person who approves it; by default the newest.

    The page that it names shows the same with all names, for its owner only.
    """
    shown = _shown(tenant, action, plan)
    if as_json:
        print_json(card_as_json(shown, full=full))
        return
    print_card(shown)
    if full and shown.rows:
        print()
        print_table(list(shown.rows[0]), [list(row.values()) for row in shown.rows])


def approve(
    action: Action,
    *,
    who: Annotated[str, Parameter(help="Your name; it is kept.")],
    why: Annotated[str, Parameter(help="The reason; it is kept.")],
    plan: PlanId = None,
    ticket: Ticket = None,
    decline: Annotated[bool, Parameter(negative="", help="Decline the plan instead.")] = False,
    tenant: Tenant = None,
) -> None:
    """Approve or decline a plan of ACTION; without --plan, the newest one."""
    if not who.strip() or not why.strip():
        raise UsageError("--who NAME and --why TEXT are kept, and must not be empty")
    from connectors.ledger import Verdict  # noqa: PLC0415 - SQLAlchemy, not for --help

    with open_own_ledger(tenant) as ledger:
        found = ledger.action_plans.of(action, limit=NEWEST)
        newest = [each for each in found if each.begun_at is None]
        wanted = [each for each in newest if plan in (None, each.plan_id)]
        if not wanted:
            raise UsageError(f"{action} has no such plan: nxp act plan {action} makes one")
        verdict = Verdict(who.strip(), why.strip(), ticket or wanted[0].ticket)
        ledger.action_plans.judge(wanted[0].plan_id, verdict, approved=not decline)
    said, record = "declined" if decline else "approved", wanted[0]
    say(f"plan {record.plan_id} of {number_of(record.summary['targets'], 'target')} is {said}")
    if not decline:
        say(f"nxp act run {action} --plan {record.plan_id} --hash {record.sha256[:12]}")


def run(
    action: Action,
    *,
    plan: PlanId = None,
    plan_hash: Annotated[
        str | None,
        Parameter(name="--hash", help="The plan's hash, or its first 8 or more characters."),
    ] = None,
    device: Device = (),
    targets: Targets = None,
    parameter: Parameters = (),
    who: Who = None,
    why: Why = None,
    ticket: Ticket = None,
    approve: Annotated[
        bool,
        Parameter(
            negative="",
            help="Wait until a person approves the plan in Prefect, whatever its YAML says.",
        ),
    ] = False,
    dry_run: DryRun = False,
    no_wait: Annotated[
        bool, Parameter(name="--no-wait", negative="", help="Do not wait for outcomes.")
    ] = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send a plan of ACTION once it is approved, and wait for outcomes; without one, plan first.

    An interrupted plan is resumed; what may have been sent is never sent again.
    """
    check_named(load_settings().catalog, action, ACTIONS)
    from tasks.act.asked import ActionAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.act.run import choose_action  # noqa: PLC0415

    parameters = parse_parameters(parameter)
    asked = ActionAsked(
        device, _absolute(targets), parameters, who, why, ticket, dry_run, not no_wait
    )
    if plan and (asked.names_targets or parameters):
        raise UsageError("--plan has targets and parameters already: leave them out")
    chosen = choose_action(action, tenant)
    if approve:
        require_prefect(chosen.settings, prefect, "--approve")

    def story() -> None:
        from tasks.stories.act import WhichPlan  # noqa: PLC0415 - after the checks
        from tasks.stories.scenarios import act_and_land  # noqa: PLC0415 - as above

        act_and_land(chosen, asked, WhichPlan(plan, plan_hash))

    def flow() -> None:
        _run_flow(action, asked, tenant, plan=plan, plan_hash=plan_hash, approve=approve)

    reports: list[dict[str, Any]] = []
    if not (no_wait or dry_run or chosen.specification.dry_run):
        _announce_wait(chosen, asked, approve=approve)

    def show(report: dict[str, Any]) -> None:
        reports.append(report)
        print_report(report, as_json=as_json)
        _say_left_out(tenant, report, device)

    run_reported(chosen.settings, prefect, stages=STAGES, story=story, flow=flow, show=show)
    lands = chosen.specification.lands
    if lands and any(report["requested"] for report in reports):
        say(_what_landed(action, lands, reports[-1]))


def _say_left_out(tenant: str | None, report: dict[str, Any], named: Sequence[str]) -> None:
    """Print which of the devices that a person has named are left out, and why."""
    if not (named and report["excluded"] and report["plan_id"]):
        return
    rows = _shown(tenant, report["dataset"], report["plan_id"]).rows
    left_out = [
        f"{row['name'] or row['device']} ({row['reason']})" for row in rows if row["reason"]
    ]
    more = ", …" if len(left_out) > MOST_NAMED else ""
    say(f"left out: {', '.join(left_out[:MOST_NAMED])}{more}")


def _what_landed(action: str, dataset: str, report: dict[str, Any]) -> str:
    """Return what there is of the devices' answers, and how to get the rest."""
    from tasks.act.readback import FINAL  # noqa: PLC0415 - polars, not for --help

    ended = sum(count for outcome, count in report["outcomes"].items() if outcome in FINAL)
    if ended >= report["requested"]:
        return f"what the devices returned has landed as {dataset}: nxp datasets {dataset}"
    return (
        f"{ended:,} of {report['requested']:,} targets have ended, and {dataset} has landed what "
        f"they returned: later, nxp act status {action} --refresh, then nxp export {dataset}"
    )


def _run_flow(
    action: Action,
    asked: "ActionAsked",
    tenant: str | None,
    *,
    plan: str | None,
    plan_hash: str | None,
    approve: bool,
) -> None:
    """Run an action as a flow; a person who says no in Prefect ends the command like any other."""
    from prefect.exceptions import CancelledRun  # noqa: PLC0415 - prefect, 2 s

    from flows.actions import action_run  # noqa: PLC0415 - prefect

    try:
        action_run(
            action,
            plan=plan,
            plan_hash=plan_hash,
            devices=asked.devices,
            targets_file=asked.file,
            parameters=dict(asked.parameters),
            who=asked.who,
            why=asked.why,
            ticket=asked.ticket or "",
            approve=approve,
            dry_run=asked.dry_run,
            wait=asked.wait,
            tenant=tenant,
        )
    except CancelledRun as error:
        raise NotApprovedError(str(error)) from None


def _announce_wait(chosen: "ChosenAction", asked: "ActionAsked", *, approve: bool) -> None:
    """Say how long a run waits for outcomes, if the person who asks may run it at all."""
    from connectors.catalogue.specification import describe  # noqa: PLC0415 - not for --help
    from tasks.act.approval import allowed_asker  # noqa: PLC0415

    if not approve:
        allowed_asker(chosen, asked)
    longest = describe(chosen.specification.outcome.wait)
    say(f"after sending, it waits up to {longest} for outcomes: --no-wait does not wait")


def _shown(tenant: str | None, action: str, plan: str | None) -> "ShownPlan":
    from tasks.act.status import read_plan_card  # noqa: PLC0415 - polars

    settings = load_settings()
    return read_plan_card(settings, tenant_name(settings, tenant), action, plan)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
