"""Enrichment syncs: plan what the sources change, apply it, read it back.

Sources: deployments/syncs. Target: fields of Nexthink. Schedule: deployments/prefect.yaml. Safe to
run again at any time: a second run sends nothing, and one after a kill converges. Triage:
`nxp runs SYNC`, then `nxp rejects SYNC`. Values are people's data: they are in none of the
parameters, logs, artifacts and results here.
"""

from typing import Annotated, Any

from prefect import flow
from prefect.states import Cancelled
from pydantic import Field

from connectors.errors import NotApprovedError
from connectors.syncs.specification import SYNC_PATTERN
from flows.approval import ask_in_prefect
from tasks.sync.asked import APPLY, PLAN, RETRY, SYNC, Asked
from tasks.sync.guards import Guard
from tasks.sync.run import choose, open_sync
from tasks.sync.running import Approval, run_apply, run_plan, run_retry, run_sync
from tasks.sync.stages import RECORDED

Sync = Annotated[str, Field(pattern=SYNC_PATTERN)]


@flow(name="enrichment-plan", flow_run_name="{sync}", persist_result=False)
def enrichment_plan(
    sync: Sync,
    tenant: str | None = None,
    full: bool = False,
    accept_guards: tuple[Guard, ...] = (),
    why: str | None = None,
) -> dict[str, Any]:
    """Plan a sync, and keep the plan; nothing is sent.

    Args:
        sync: a name of deployments/syncs.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        full: pull all rows, also where changes would do.
        accept_guards: guards that may trip.
        why: the reason for that, which is kept.
    """
    asked = Asked(full=full, accept_guards=_names(accept_guards), why=why)
    with open_sync(choose(sync, tenant), PLAN) as run:
        return run_plan(run, asked, RECORDED)


@flow(name="enrichment-apply", flow_run_name="{sync}", persist_result=False)
def enrichment_apply(
    sync: Sync,
    plan: str | None = None,
    tenant: str | None = None,
    accept_guards: tuple[Guard, ...] = (),
    why: str | None = None,
    verify: bool = True,
) -> dict[str, Any]:
    """Apply a plan: exactly what it says is sent, once.

    Args:
        sync: a name of deployments/syncs.
        plan: the plan's id; without it the newest one.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        accept_guards: guards that may have tripped.
        why: the reason for that, which is kept.
        verify: read back afterwards, where the sync has a query for it.
    """
    asked = Asked(accept_guards=_names(accept_guards), why=why, verify=verify)
    with open_sync(choose(sync, tenant), APPLY) as run:
        return run_apply(run, plan, asked, RECORDED)


@flow(name="enrichment-sync", flow_run_name="{sync}", persist_result=False)
def enrichment_sync(
    sync: Sync,
    tenant: str | None = None,
    full: bool = False,
    accept_guards: tuple[Guard, ...] = (),
    why: str | None = None,
    approve: bool = False,
    verify: bool = True,
) -> dict[str, Any]:
    """Plan and apply a sync, under its guards.

    Args:
        sync: a name of deployments/syncs.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        full: pull all rows, also where changes would do.
        accept_guards: guards that may trip.
        why: the reason for that, which is kept.
        approve: wait for a person's word in Prefect, for 23 hours at most.
        verify: read back afterwards, where the sync has a query for it.
    """
    asked = Asked(full=full, accept_guards=_names(accept_guards), why=why, verify=verify)
    try:
        with open_sync(choose(sync, tenant), SYNC) as run:
            return run_sync(run, asked, _ask if approve else None, RECORDED)
    except NotApprovedError as error:
        return Cancelled(message=str(error))  # type: ignore[return-value]


@flow(name="enrichment-retry", flow_run_name="{sync}", persist_result=False)
def enrichment_retry(sync: Sync, tenant: str | None = None, verify: bool = True) -> dict[str, Any]:
    """Send what a sync has open, unknown or rejected once more; no source is asked.

    Args:
        sync: a name of deployments/syncs.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        verify: read back afterwards, where the sync has a query for it.
    """
    with open_sync(choose(sync, tenant), RETRY) as run:
        return run_retry(run, Asked(verify=verify), RECORDED)


def _ask(description: str) -> Approval:
    answer = ask_in_prefect(description)
    return Approval(answer.who.strip(), answer.why.strip())


def _names(guards: tuple[Guard, ...]) -> tuple[str, ...]:
    return tuple(Guard(guard).value for guard in guards)
