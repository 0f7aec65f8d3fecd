"""Replay the rejected rows of a run, after the dataset was corrected.

Source: `_rejects_raw` of the lake. Safe to run again at any time: a unit that has been replayed is
left alone. Triage: `nxp rejects DATASET`.
"""

from dataclasses import asdict
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.export import Dataset
from flows.naming import named
from tasks.runs.recorded import completed
from tasks.stories.replay import open_replay
from tasks.stories.replay import replay as replay_now
from tasks.upkeep.replay import LANDED

RunId = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


@flow(name="replay", flow_run_name=named("replay", "dataset"), persist_result=False)
def replay(dataset: Dataset, run: RunId, tenant: str | None = None) -> dict[str, Any]:
    """Land the rejected rows of a run that fit now.

    Args:
        dataset: a name of deployments/datasets.
        run: the id of the run that rejected the rows.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    with open_replay(dataset, tenant) as opened:
        result = replay_now(opened, run)
    landed = sum(each.landed for each in result.outcomes if each.state == LANDED)
    plain = {"run_id": result.run_id, "units": [asdict(each) for each in result.outcomes]}
    return completed(plain, f"{dataset}: {landed:,} rows landed")
