"""Parts of a result that is too large for one export."""

from collections.abc import Sequence

from pydantic import Field

from connectors.catalogue.modes import Mode
from connectors.catalogue.specification import Specification
from connectors.catalogue.windows import WindowSpecification
from connectors.nexthink import QUERY_ID

REST = "rest"


class Shard(Specification):
    """A part of a result too large for one export: other parameters, or another saved query.

    Args:
        name: of the part; one of them is `rest`, for what the others leave.
        parameters: of the query, for this part.
        query_id: the saved query of this part, if it has its own.
    """

    # Part of names in the journal and of files, next to two parts of 33 characters.
    name: str = Field(min_length=1, max_length=40)
    parameters: dict[str, str] = Field(default_factory=dict)
    query_id: str | None = Field(default=None, pattern=f"^{QUERY_ID.pattern}$")


def shard_problems(
    shards: Sequence[Shard], window: WindowSpecification | None, mode: Mode, *, has_key: bool
) -> list[str]:
    """Return what is wrong with the shards of a dataset, which may have none."""
    if not shards:
        return []
    names = [shard.name for shard in shards]
    problems = []
    if len(set(names)) < len(names) or names.count(REST) != 1:
        problems.append(
            f"shards: names must be unique, and one is {REST}, for what the others leave"
        )
    if not has_key:
        # A row may move from one shard to another between their exports.
        problems.append("shards: need a key column, to find rows that came twice")
    if mode is Mode.SLICES:
        problems.append("shards: not in mode slices")
    taken = {window.from_, window.to} if window else set[str]()
    if any(taken & shard.parameters.keys() for shard in shards):
        problems.append("shards: a parameter belongs to the window")
    return problems
