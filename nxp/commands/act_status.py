"""`nxp act status`: what was planned and sent for actions, with outcomes."""

from typing import Annotated

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.acting import open_own_ledger, print_journal, print_overview
from nxp.options import Json, Tenant, action_names
from nxp.output import print_json, print_table, say

PlanId = Annotated[str | None, Parameter(name="--plan", help="Id of the plan.")]


def status(
    action: Annotated[
        str | None,
        Parameter(completer=action_names, help="An action of the catalogue; without it, all."),
    ] = None,
    *,
    plan: PlanId = None,
    targets: Annotated[
        bool, Parameter(negative="", help="Show each target and who was left out: personal data.")
    ] = False,
    refresh: Annotated[
        bool, Parameter(negative="", help="Ask the tenant for outcomes first.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show what was planned and sent for ACTION, with outcomes; without ACTION, for all."""
    if action is None:
        if plan or targets or refresh:
            raise UsageError("--plan, --targets and --refresh need the name of an ACTION")
        with open_own_ledger(tenant) as ledger:
            print_journal(ledger, as_json=as_json)
        return
    if refresh:
        from tasks.act.status import refresh_action  # noqa: PLC0415 - polars and httpx

        if lands := refresh_action(action, tenant):
            say(f"what devices have returned since lands with: nxp export {lands}")
    from tasks.act.status import overview, planned_rows  # noqa: PLC0415 - polars

    settings = load_settings()
    if targets:
        rows = planned_rows(settings, tenant_name(settings, tenant), action, plan)
        if as_json:
            print_json(rows)
        elif rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows])
        return
    with open_own_ledger(tenant) as ledger:
        plans = overview(ledger, action, plan)
    from connectors.actions import read_actions  # noqa: PLC0415 - httpx, not for --help

    if not plans and action not in (read := read_actions(settings.catalog)).names:
        # It raises, with the names there are.
        read.one(action, "action")
    if as_json:
        print_json(plans)
        return
    print_overview(plans)
