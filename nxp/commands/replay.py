"""`nxp replay`: land the rejected rows of a run that fit now."""

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DATASETS, check_named
from connectors.counting import number_of
from connectors.settings.installation import load_settings
from nxp.engine import run_here
from nxp.options import Dataset, Json, Prefect, Tenant
from nxp.output import print_json, print_table, say

SHOWN = ("unit", "state", "tried", "landed", "rejected", "outside", "filtered")


def replay(
    dataset: Dataset,
    *,
    run: Annotated[str, Parameter(name="--run", help="The run that rejected the rows.")],
    dry_run: Annotated[
        bool, Parameter(negative="", help="Show what would land, and change nothing.")
    ] = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Try the rejected rows of a run of DATASET again, and land those that fit now.

    A unit is replayed only while its rows are still from that run. Rows that do not fit are kept
    as rejects of the new run.
    """
    check_named(load_settings().catalog, dataset, DATASETS)
    from tasks.stories.replay import open_replay, try_replay  # noqa: PLC0415 - polars

    if dry_run:
        with open_replay(dataset, tenant) as opened:
            tried = try_replay(opened, run)
        _show([asdict(each) for each in tried.outcomes], None, as_json=as_json)
        _judge(dataset, run, [asdict(each) for each in tried.outcomes])
        return

    def story() -> dict[str, Any]:
        from tasks.stories.replay import replay as replay_now  # noqa: PLC0415 - polars

        with open_replay(dataset, tenant) as opened:
            result = replay_now(opened, run)
        return {"run_id": result.run_id, "units": [asdict(each) for each in result.outcomes]}

    def flow() -> dict[str, Any]:
        from flows.replay import replay as replay_flow  # noqa: PLC0415 - prefect, 2 s

        return replay_flow(dataset, run, tenant)

    done = run_here(load_settings(), prefect, story, flow)
    _show(done["units"], done["run_id"], as_json=as_json)
    _judge(dataset, run, done["units"])


def _show(units: list[dict[str, Any]], run_id: str | None, *, as_json: bool) -> None:
    """Print the outcome of each unit; without a run id, nothing was changed."""
    if as_json:
        print_json({"run_id": run_id, "units": units})
        return
    print_table(SHOWN, [[unit[name] for name in SHOWN] for unit in units])
    landed = number_of(sum(unit["landed"] for unit in units), "row")
    say(f"{landed} landed" if run_id else f"{landed} would land; nothing was changed")


def _judge(dataset: str, run: str, units: list[dict[str, Any]]) -> None:
    from tasks.stories.replay import raise_unless_replayed  # noqa: PLC0415 - polars
    from tasks.upkeep.replay import Replayed  # noqa: PLC0415

    raise_unless_replayed(dataset, run, [Replayed(**unit) for unit in units])
