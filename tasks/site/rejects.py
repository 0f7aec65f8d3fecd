"""Rejected rows, counted by dataset and reason. Their text stays where it is."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from connectors.lake import Lake
from connectors.lake.query import query_lake

_COUNTED = """
SELECT dataset, unit, reason, count(*)
FROM (SELECT dataset, unit, unnest(reasons) AS reason FROM _rejects)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(slots=True)
class Rejected:
    """Rejected rows of a dataset by reason, and the units that they are of."""

    reasons: Counter[str] = field(default_factory=Counter)
    units: set[str] = field(default_factory=set)


def rejects_of(lake: Lake) -> dict[str, Rejected]:
    """Return the rejected rows of each dataset and sync.

    Raises:
        PipelineError: the records cannot be read.
    """
    found: dict[str, Rejected] = defaultdict(Rejected)
    for dataset, unit, reason, rows in query_lake(lake, _COUNTED)[1]:
        found[dataset].reasons[reason] += rows
        found[dataset].units.add(unit)
    return dict(found)
