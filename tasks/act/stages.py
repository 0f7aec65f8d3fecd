"""The stages of an action's run: planning, sending, outcomes, effect, reporting."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.ledger import Lease
from tasks.act.asked import Asked
from tasks.act.effect import Effect, measure_effect
from tasks.act.outcomes import Waited, await_outcomes
from tasks.act.plan import make_plan
from tasks.act.plan_file import ActionPlan
from tasks.act.report import ActionReport, Stages, settle
from tasks.act.run import ActionRun
from tasks.act.send import send_plan


@dataclass(frozen=True, slots=True)
class Steps:
    """The stages of a run: these plain functions, or the task runs of tasks.act.recorded."""

    plan: Callable[[ActionRun, Asked], ActionPlan] = make_plan
    send: Callable[[ActionRun, ActionPlan, Lease], None] = send_plan
    outcomes: Callable[[ActionRun, str, datetime, bool], Waited] = await_outcomes
    effect: Callable[[ActionRun, str], Effect] = measure_effect
    report: Callable[[ActionRun, Stages], ActionReport] = settle


PLAIN: Final = Steps()
