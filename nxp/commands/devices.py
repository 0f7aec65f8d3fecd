"""`nxp devices`: deleting devices, from a plan to what became of each."""

from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.errors import DataRefusedError, UsageError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.engine import keep_logs_off
from nxp.options import Json, Tenant, read_wait
from nxp.output import at_second, print_json, print_table, say

if TYPE_CHECKING:
    from tasks.act.deletion.report import DeletionReport
    from tasks.stories.deletion import Show

MOST_DELETIONS = 100
_SHOWN: Final = 20
_OPEN: Final = ("planned", "approved")
_COLUMNS: Final = ("device", "name", "last_seen", "outcome", "reason")
File = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help="A device a line (collector id, uid or name), CSV or JSON; - reads stdin.",
    ),
]
Ticket = Annotated[str | None, Parameter(help="The ticket; it is kept with the plan.")]
Batch = Annotated[int, Parameter(help="Devices of one request, 1 to 100.")]
PlanId = Annotated[str | None, Parameter(name="--plan", help="Id of the plan.")]


def plan(
    *,
    file: File = None,
    batch: Batch = MOST_DELETIONS,
    ticket: Ticket = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan the deletion of the devices of a file: which, when last seen, who is left out.

    A person has to approve the plan before `nxp devices delete --plan` carries it out.
    """
    _plan(file, batch, ticket, tenant, as_json=as_json)


def approve(
    *,
    plan: Annotated[str, Parameter(name="--plan", help="Id of the plan.")],
    who: Annotated[str, Parameter(help="Your name; it is kept.")],
    why: Annotated[str, Parameter(help="The reason; it is kept.")],
    ticket: Ticket = None,
    decline: Annotated[bool, Parameter(negative="", help="Decline the plan instead.")] = False,
    tenant: Tenant = None,
) -> None:
    """Approve or decline a plan of deletions, after a look at `nxp devices status --plan`."""
    if not who.strip() or not why.strip():
        raise UsageError("--who NAME and --why TEXT are kept, and must not be empty")
    from connectors.ledger import Verdict, open_ledger  # noqa: PLC0415 - SQLAlchemy
    from tasks.act.deletion.plan import plan_of  # noqa: PLC0415 - polars
    from tasks.act.deletion.report import described  # noqa: PLC0415

    settings = load_settings()
    name = tenant_name(settings, tenant)
    with open_ledger(settings.ledger_url.get_secret_value(), name) as ledger:
        record = plan_of(ledger.action_plans.get(plan), plan)
        verdict = Verdict(who.strip(), why.strip(), ticket or record.ticket)
        ledger.action_plans.judge(plan, verdict, approved=not decline)
    say(f"{described(record)}: {'declined' if decline else 'approved'}")
    if not decline:
        say(f"nxp devices delete --plan {record.plan_id} --hash {record.sha256[:12]}")


def delete(
    *,
    file: File = None,
    plan: PlanId = None,
    plan_hash: Annotated[
        str | None, Parameter(name="--hash", help="The plan's hash, or the beginning of it.")
    ] = None,
    batch: Batch = MOST_DELETIONS,
    ticket: Ticket = None,
    wait: Annotated[
        str | None,
        Parameter(help="Read back for up to this long (10m): code 7 unless all are gone."),
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete the devices of an approved plan, except those that were seen since it was made.

    With --file it only makes the plan, and ends with code 8: a person has to approve it first. An
    interrupted plan is resumed; what may have been sent is never sent again.
    """
    limit = read_wait(wait)
    if (file is None) == (plan is None):
        raise UsageError("name either --file FILE, to plan, or --plan PLAN, to delete")
    if plan is None:
        if plan_hash or limit is not None:
            raise UsageError("--hash and --wait go with --plan")
        _refuse_unapproved(_plan(file, batch, ticket, tenant, as_json=as_json))
        return
    if batch != MOST_DELETIONS or ticket:
        raise UsageError("--batch and --ticket are those of the plan: leave them out")
    keep_logs_off()
    from nxp.progress import shown  # noqa: PLC0415 - not for --help
    from tasks.stories.deletion import delete_devices  # noqa: PLC0415 - polars

    with shown(1):
        delete_devices(plan, plan_hash, _shower(as_json=as_json), tenant, wait=limit)


def status(
    *,
    plan: PlanId = None,
    refresh: Annotated[
        bool, Parameter(negative="", help="Read the inventory first, and settle what is in doubt.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show a plan of deletions device by device, by default the newest."""
    keep_logs_off()
    from tasks.stories.deletion import deletion_status  # noqa: PLC0415 - polars

    report = deletion_status(plan, tenant, refresh=refresh)
    if not as_json:
        print_table(
            _COLUMNS,
            [[at_second(getattr(each, name)) for name in _COLUMNS] for each in report.devices],
        )
    _print(report, as_json=as_json)


def _plan(
    file: str | None, batch: int, ticket: str | None, tenant: str | None, *, as_json: bool
) -> "DeletionReport":
    if file is None:
        raise UsageError("--file FILE: name the devices to be deleted")
    keep_logs_off()
    from nxp.progress import shown  # noqa: PLC0415 - not for --help
    from tasks.stories.deletion import plan_deletion  # noqa: PLC0415 - polars

    with shown(1):
        return plan_deletion(file, _shower(as_json=as_json), tenant, batch=batch, ticket=ticket)


def _refuse_unapproved(report: "DeletionReport") -> None:
    """Raise: what was asked for is deleting, and a plan deletes nothing."""
    from tasks.stories.deletion import waits_for_a_person  # noqa: PLC0415 - polars

    if report.targets:
        raise waits_for_a_person(report.plan_id, report.sha256)
    raise DataRefusedError(
        f"not one of the {report.named:,} devices of the file can be deleted, for the reasons "
        "above; nothing was deleted"
    )


def _shower(*, as_json: bool) -> "Show":
    def show(report: "DeletionReport") -> None:
        if not as_json:
            _print_left_out(report)
        _print(report, as_json=as_json)

    return show


def _print_left_out(report: "DeletionReport") -> None:
    """Print the devices that stay, each with the reason."""
    taken = {"planned", "scheduled", "deleted", "requested"}
    rows = [
        [each.position, each.name, at_second(each.last_seen), each.outcome, each.reason]
        for each in report.devices
        if each.outcome not in taken
    ]
    if rows:
        print_table(("position", "name", "last_seen", "outcome", "reason"), rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(f"and {len(rows) - _SHOWN:,} more: nxp devices status --plan {report.plan_id}")


def _print(report: "DeletionReport", *, as_json: bool) -> None:
    if as_json:
        from nxp.answers.devices import deletion  # noqa: PLC0415 - pydantic

        print_json(deletion(report))
        return
    counted = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in report.outcomes.items()
    )
    say(
        f"{report.named:,} named, {report.targets:,} of {report.inventory:,} devices to be deleted "
        f"in {number_of(report.requests, 'request')}{f': {counted}' if counted else ''}"
    )
    until = ", valid for 24 hours" if report.plan_state in _OPEN else ""
    say(f"plan {report.plan_id}, hash {report.sha256[:12]}: {report.plan_state}{until}")
    if report.plan_state == "planned" and report.targets:
        say(f"see each device with: nxp devices status --plan {report.plan_id}")
