"""`nxp replay`: land the rejected rows of a run that fit now."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.upkeep.replay import Replayed

SHOWN = ("unit", "state", "tried", "landed", "rejected", "outside")


def replay(
    dataset: str,
    *,
    run: Annotated[str, Parameter(name="--run", help="The run that rejected the rows.")],
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would land, and change nothing.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Conform the rejected rows of a run of DATASET anew, and land those that fit now.

    Only while the unit's rows are still of that run. What does not fit is kept as rejects of the
    new run.
    """
    from connectors.settings.installation import load_settings  # noqa: PLC0415
    from tasks.upkeep.replay_run import judge, open_replay, run_replay, try_replay  # noqa: PLC0415 - polars

    with open_replay(load_settings(), dataset, tenant) as tools:
        outcomes = try_replay(tools, run) if dry_run else run_replay(tools, run)
        _show(outcomes, tools.run_id, as_json=as_json, dry_run=dry_run)
        judge(dataset, run, outcomes)


def _show(outcomes: "list[Replayed]", run_id: str, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json(
            {"run_id": None if dry_run else run_id, "units": [asdict(one) for one in outcomes]}
        )
        return
    print_table(SHOWN, [[getattr(one, name) for name in SHOWN] for one in outcomes])
    landed = sum(one.landed for one in outcomes)
    say(f"{landed} rows would land; nothing was changed" if dry_run else f"{landed} rows landed")
