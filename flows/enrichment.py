"""Enrichment syncs: plan what the sources change, apply it, read it back.

Sources: deployments/syncs. Target: fields of Nexthink. Schedule: deployments/prefect.yaml. Safe to
run again at any time: a second run sends nothing, and a run after a kill converges. Triage:
`nxp runs SYNC`, then `nxp rejects SYNC`. Values are people's data: no parameter, log, artifact or
result here holds any.
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from connectors.errors import NotApprovedError
from connectors.syncs.specification import SYNC_PATTERN
from flows.approval import ask_in_prefect
from flows.naming import named
from tasks.runs.recorded import cancelled, completed
from tasks.stories import sync as stories
from tasks.sync.asked import SyncAsked
from tasks.sync.guards import Guard
from tasks.sync.report import summary_of
from tasks.sync.retiring import choose_retired
from tasks.sync.run import choose_sync

Sync = Annotated[str, Field(pattern=SYNC_PATTERN)]
Plan = Annotated[str, Field(min_length=1)]


@flow(name="enrichment-plan", flow_run_name=named("plan", "sync"), persist_result=False)
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
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        full: pull all rows, even if the changes would be enough.
        accept_guards: guards that may trip.
        why: the reason for that; it is kept.
    """
    asked = SyncAsked(full=full, accept_guards=_names(accept_guards), why=why)
    return _completed(stories.plan(choose_sync(sync, tenant), asked))


@flow(name="enrichment-apply", flow_run_name=named("apply", "sync"), persist_result=False)
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
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        accept_guards: guards that may have tripped.
        why: the reason for that; it is kept.
        verify: read back afterwards, if the sync has a query for it.
    """
    asked = SyncAsked(accept_guards=_names(accept_guards), why=why, verify=verify)
    return _completed(stories.apply(choose_sync(sync, tenant), plan, asked))


@flow(name="enrichment-sync", flow_run_name=named("sync", "sync"), persist_result=False)
def enrichment_sync(
    sync: Sync,
    tenant: str | None = None,
    full: bool = False,
    accept_guards: tuple[Guard, ...] = (),
    why: str | None = None,
    approve: bool = False,
    verify: bool = True,
    adopt: str | None = None,
    retire: bool = False,
) -> dict[str, Any]:
    """Plan and apply a sync, under its guards.

    Args:
        sync: a name of deployments/syncs.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        full: pull all rows, even if the changes would be enough.
        accept_guards: guards that may trip.
        why: the reason for that; it is kept.
        approve: wait until a person approves the plan in Prefect, for 23 hours at most.
        verify: read back afterwards, if the sync has a query for it.
        adopt: a sync whose file is gone and whose values this one takes over first.
        retire: empty all that the sync has set instead; its file may be gone.
    """
    asked = SyncAsked(
        full=full, accept_guards=_names(accept_guards), why=why, verify=verify, adopt=adopt
    )
    ask = _ask if approve else None
    try:
        if retire:
            return _completed(stories.retire(choose_retired(sync, tenant), asked, ask))
        return _completed(stories.sync(choose_sync(sync, tenant), asked, ask))
    except NotApprovedError as error:
        return cancelled(error)  # type: ignore[no-any-return] # Prefect takes a state as a result


@flow(name="enrichment-retry", flow_run_name=named("retry", "sync"), persist_result=False)
def enrichment_retry(sync: Sync, tenant: str | None = None, verify: bool = True) -> dict[str, Any]:
    """Send a sync's open, unknown and rejected values again; no source is read.

    Args:
        sync: a name of deployments/syncs.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        verify: read back afterwards, if the sync has a query for it.
    """
    return _completed(stories.retry(choose_sync(sync, tenant), SyncAsked(verify=verify)))


@flow(name="enrichment-undo", flow_run_name=named("undo", "sync"), persist_result=False)
def enrichment_undo(sync: Sync, plan: Plan, tenant: str | None = None) -> dict[str, Any]:
    """Plan to take back what a plan has set, where it still stands; nothing is sent.

    Args:
        sync: a name of deployments/syncs.
        plan: the id of the plan to take back.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    return _completed(stories.undo(choose_sync(sync, tenant), plan))


def _completed(report: dict[str, Any]) -> dict[str, Any]:
    return completed(report, summary_of(report))


def _ask(description: str) -> stories.SyncApproval:
    answer = ask_in_prefect(description)
    return stories.SyncApproval(answer.who.strip(), answer.why.strip())


def _names(guards: tuple[Guard, ...]) -> tuple[str, ...]:
    return tuple(Guard(guard).value for guard in guards)
