"""What is built on acting: land what devices have returned; ask people, then act for them."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from connectors.clock import utc_now
from connectors.errors import NothingDoneError, PartlyDoneError, PipelineError, UsageError
from tasks.act.answers import chosen_actions
from tasks.act.approval import Approve, allowed_asker
from tasks.act.asked import ActionAsked
from tasks.act.person import Person, person_here
from tasks.act.run import ChosenAction, choose_action
from tasks.land.asked import Asked
from tasks.stories.act import NEW_PLAN, Clock, Sleep, WhichPlan, act
from tasks.stories.export import export_dataset

T = TypeVar("T")


def act_and_land(
    chosen: ChosenAction,
    asked: ActionAsked,
    which: WhichPlan = NEW_PLAN,
    approve: Approve | None = None,
) -> dict[str, Any]:
    """Act, and land what devices have returned, if the action names a dataset for it.

    What has arrived lands even if some devices failed or have not answered yet.

    Raises:
        PipelineError: as `act` and `export_dataset`.
    """
    acted, shortfall = _partly(lambda: act(chosen, asked, which, approve))
    lands = chosen.specification.lands
    has_begun = shortfall and not isinstance(shortfall, NothingDoneError)
    if lands and (has_begun or (acted and acted["requested"])):
        export_dataset(Asked(lands, tenant=chosen.profile))
    if shortfall:
        raise shortfall
    return acted or {}


def ask_and_act(
    action: str,
    tenant: str | None = None,
    by: Person | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> list[dict[str, Any]]:
    """Ask the people at devices with a known issue, then act on the devices of those who agreed.

    Where answers of a campaign choose actions, each of these has its own plan and report; one that
    fails does not stop the others.

    Args:
        action: one with `targets.consent`, or a campaign with `answers`.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        by: who asks; None: who has started this process.
        clock: returns the current time.
        sleep: waits.

    Returns:
        The report of the campaign, if that succeeded, and those of the actions.

    Raises:
        UsageError: the action has neither.
        NotAllowedError: the YAML of one of them names others who may run it; nobody was asked.
        PipelineError: as `act`; the first of several.
    """
    chosen = choose_action(action, tenant)
    consent = chosen.specification.targets.consent
    if consent:
        campaign, acting = choose_action(consent.campaign, tenant), [chosen]
    elif chosen.specification.answers:
        campaign, acting = chosen, list(chosen_actions(chosen))
    else:
        raise UsageError(
            f"{action} has no targets.consent and no answers: self-help acts for those who agreed"
        )
    asked = ActionAsked(by=by or person_here())
    for each in (campaign, *acting):
        allowed_asker(each, asked)
    errors: list[PipelineError] = []
    report, shortfall = _partly(lambda: act(campaign, asked, clock=clock, sleep=sleep))
    reports = [report]
    for each in acting:
        try:
            reports.append(act(each, asked, clock=clock, sleep=sleep))
        except PipelineError as error:
            errors.append(error)
    if shortfall:
        errors.append(shortfall)
    if errors:
        raise errors[0]
    return [each for each in reports if each]


def _partly(work: Callable[[], T]) -> tuple[T | None, PartlyDoneError | None]:
    """Do work that may be incomplete; return its PartlyDoneError instead of raising it now."""
    try:
        return work(), None
    except PartlyDoneError as error:
        return None, error
