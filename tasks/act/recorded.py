"""The stages of an action's run as Prefect task runs: one per stage, whoever it is for."""

import logging
from typing import Any, Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks.act.effect import measure_effect
from tasks.act.outcomes import await_outcomes
from tasks.act.plan import make_plan
from tasks.act.report import ActionReport, Stages, markdown, settle
from tasks.act.run import ActionRun
from tasks.act.send import send_plan
from tasks.act.stages import Steps

logger = logging.getLogger(__name__)


def report_action(run: ActionRun, stages: Stages) -> ActionReport:
    """Settle the run and show its report as an artifact of the flow run."""
    report = settle(run, stages)
    try:
        key = f"action-{report.dataset.replace('_', '-')}"
        create_markdown_artifact(key=key, markdown=markdown(report))
    except Exception:  # noqa: BLE001 - what was done does not depend on the UI
        logger.warning("the report of run %s could not be shown in Prefect", run.run_id)
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
