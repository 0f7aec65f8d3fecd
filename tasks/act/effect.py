"""Whether an action helped: the query that found its targets is run once more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from connectors.ledger.action_requests import RequestState
from tasks.act.candidates import queried
from tasks.act.readback import is_final
from tasks.act.run import ActionRun
from tasks.runs.progress import Progress, tell
from tasks.runs.recorded import recorded


@dataclass(frozen=True, slots=True)
class ActionEffect:
    """How many targets of an action have `ended`, and how many of those the query `still` finds."""

    ended: int
    still: int

    @property
    def told(self) -> str:
        """The effect as a sentence."""
        return f"Of {self.ended:,} targets that have ended, the query still finds {self.still:,}."


@recorded("measure effect", says=lambda effect: effect.told)
def measure_effect(run: ActionRun, plan_id: str) -> ActionEffect:
    """Run the query of the targets again, once changes have had time to show.

    Raises:
        PipelineError: as the export.
    """
    rows = run.ledger.actions.targets(plan_id=plan_id)
    ended = rows.filter(pl.col("state") == RequestState.REQUESTED.value, is_final(pl.col("status")))
    _wait(run, ended["status_at"].max())
    column = "device" if rows["device"].is_not_null().any() else "person"
    found = queried(run)[column].drop_nulls()
    still = ended.filter(pl.col(column).is_in(found.implode())).height
    return ActionEffect(ended.height, still)


def _wait(run: ActionRun, last: Any) -> None:
    after = run.specification.effect_after
    if after is None or not isinstance(last, datetime):
        return
    left = (last + after - run.now).total_seconds()
    if left > 0:
        tell(Progress(run.action, "effect", "waiting until it shows"))
        run.stop.sleep(left)
