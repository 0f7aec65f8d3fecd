"""The stages of an action's run as Prefect task runs: one per stage, whoever it is for."""

from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.act.effect import measure_effect
from tasks.act.outcomes import await_outcomes
from tasks.act.plan import make_plan
from tasks.act.report import ActionReport, Stages, markdown, settle
from tasks.act.run import ActionRun
from tasks.act.send import send_plan
from tasks.act.stages import Steps
from tasks.runs.artifact import show_report


def report_action(run: ActionRun, stages: Stages) -> ActionReport:
    """Settle the run and show its report as an artifact of the flow run."""
    report = settle(run, stages)
    show_report("action", report.tenant, report.dataset, markdown(report))
    return report


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
    _task("report")(report_action),
)
