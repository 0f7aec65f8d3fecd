"""The stages of an action's run: planning, sending, outcomes, effect, reporting.

Each is a plain function, and once more a recorded task run: one per stage, whoever it is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from connectors.ledger import Lease
from tasks.act.asked import Asked
from tasks.act.effect import Effect, measure_effect
from tasks.act.outcomes import Waited, await_outcomes
from tasks.act.plan import make_plan
from tasks.act.plan_file import ActionPlan
from tasks.act.report import ActionReport, Stages, report_action, settle
from tasks.act.run import ActionRun
from tasks.act.send import send_plan


@dataclass(frozen=True, slots=True)
class Steps:
    """The stages of a run: plain functions, or the same ones as recorded task runs."""

    plan: Callable[[ActionRun, Asked], ActionPlan] = make_plan
    send: Callable[[ActionRun, ActionPlan, Lease], None] = send_plan
    outcomes: Callable[[ActionRun, str, datetime, bool], Waited] = await_outcomes
    effect: Callable[[ActionRun, str], Effect] = measure_effect
    report: Callable[[ActionRun, Stages], ActionReport] = settle


PLAIN: Final = Steps()


def _task(name: str) -> Any:
    # Never tried again by Prefect: what may be repeated is decided by the journal.
    return task(
        name=name,
        task_run_name=f"{name} {{run.action}}",
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=0,
    )


RECORDED: Final = Steps(
    _task("plan")(make_plan),
    _task("send")(send_plan),
    _task("outcomes")(await_outcomes),
    _task("effect")(measure_effect),
    report_action,
)
