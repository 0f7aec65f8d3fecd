"""When a number of exports can be started, under a limit of 24 hours; and which step needs fewer.

Pure: what was started, a limit, and rows in; moments and steps out.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.catalogue import DAY
from connectors.ledger import UnitRecord
from connectors.ledger.counters import MINUTE, Counted
from tasks.exports.windows import Window, floor

# Longer windows of a dataset that lands daily; shorter ones are not made longer than a day, because
# a query of fine samples spans few days.
LONGEST: Final = timedelta(days=7)
# The tenant exports up to this many rows (HTTP 206 beyond it), unless the operator knows better.
ROW_LIMIT: Final = 1_000_000
# Days differ: the busiest window landed so far may fill this share of the limit.
FILLED: Final = 0.8


@dataclass(frozen=True, slots=True)
class ExportPace:
    """How many exports can be started at once, and when the last one can."""

    at_once: int
    done_at: datetime


def pace(exports: int, used: Sequence[Counted], limit: int | None, now: datetime) -> ExportPace:
    """Return when a number of exports can be started, after those of the last 24 hours."""
    if limit is None:
        return ExportPace(exports, now)
    ends = [minute + MINUTE + DAY for minute, number in used for _ in range(number)]
    heapq.heapify(ends)
    moment, at_once = now, 0
    for _ in range(exports):
        while len(ends) >= limit:
            moment = max(moment, heapq.heappop(ends))
        at_once += moment == now
        heapq.heappush(ends, moment + MINUTE + DAY)
    return ExportPace(at_once, moment)


def longest_step(
    stretch: Window, step: timedelta, records: Iterable[UnitRecord], row_limit: int | None
) -> timedelta | None:
    """Return the longest step that stays under the row limit, None if none is longer or known.

    Args:
        stretch: the period asked for; bounds of the step have to lie at its ends.
        step: the present one.
        records: the dataset's units, whose rows show how many come in a time.
        row_limit: of one export, None for the usual one.
    """
    busiest = max(_rates(records), default=0.0)
    if not busiest:
        return None
    most = FILLED * (row_limit or ROW_LIMIT)
    fitting = [
        longer
        for longer in _longer(step)
        if floor(stretch.start, longer) == stretch.start
        and floor(stretch.end, longer) == stretch.end
        and busiest * longer.total_seconds() <= most
    ]
    return max(fitting, default=None)


def _rates(records: Iterable[UnitRecord]) -> list[float]:
    """Return the rows of each landed window in a second."""
    return [
        record.rows_landed / (record.ends_at - record.starts_at).total_seconds()
        for record in records
        if record.rows_landed is not None and record.ends_at > record.starts_at
    ]


def _longer(step: timedelta) -> list[timedelta]:
    """Return the longer steps that are whole multiples: parts of a day, or whole days."""
    most = LONGEST if step >= DAY else DAY
    multiples = [step * times for times in range(2, int(most / step) + 1)]
    return [each for each in multiples if not (DAY % each and each % DAY)]
