"""What became of a plan, in counts: objects by outcome, values by action and state, codes.

An object that the tenant does not have is counted apart from one whose values it refuses, and one
whose request it refused unread (HTTP 4xx) is counted as not sent.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from connectors.errors import PipelineError
from connectors.ledger.enriched import ValueState
from tasks.sync.halving import NOT_SENT
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.push import is_unread
from tasks.sync.settled import is_no_such_object

# What objects and values are counted as, in addition to outcomes and to states of the ledger.
NO_SUCH_OBJECT: Final = "no_such_object"
LEFT: Final = "not sent"

_REJECTED: Final = ObjectOutcome.REJECTED.value
# The outcome of an object that was sent twice, once for values to be settled, is the worse of two.
_WORST_FIRST: Final = (
    _REJECTED,
    NO_SUCH_OBJECT,
    ObjectOutcome.UNKNOWN.value,
    LEFT,
    ObjectOutcome.ACKNOWLEDGED.value,
)
_KIND: Final = ["outcome", "code", "reason"]


@dataclass(slots=True)
class Applied:
    """What became of a plan. Counts only; `stopped` is why not everything was sent.

    `values` counts by action and by the value's state afterwards, `objects` by outcome, `codes` the
    objects by error code. `settled_before` counts values that an earlier run of the plan settled;
    `held_back` those that were to follow a value that may or may not be there. `lost` is the last
    error of a request whose answer never came. `met` counts values not sent because of what the
    tenant was seen to hold, by the reason.
    """

    objects: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    settled_before: int = 0
    held_back: int = 0
    met: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: PipelineError | None = None
    lost: PipelineError | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all was sent; the ledger then has what is not acknowledged."""
        return self.stopped is None and not self.held_back

    def leave(self, rows: pl.DataFrame) -> None:
        """Count the rows of a chunk that is not sent because the run has stopped."""
        self.objects[LEFT] += rows["key"].n_unique()
        self.leave_values(rows)

    def leave_values(self, rows: pl.DataFrame) -> None:
        """Count values that are not sent."""
        for action, count in rows["action"].value_counts().iter_rows():
            self.values[action, LEFT] += count

    def add_values(self, judged: pl.DataFrame) -> None:
        """Count values by action, state and code; a null state was not sent."""
        for action, state, code, count in (
            judged.group_by("action", "state", "code").len().iter_rows()
        ):
            self.values[action, _state(state, code)] += count

    def add_objects(self, outcomes: Iterable[pl.DataFrame]) -> None:
        """Count objects (value, outcome, code, reason), each once, by the worst of its outcomes."""
        found = list(outcomes)
        if not found:
            return
        every = pl.concat(found).select("value", *_KIND)
        kinds = every.select(_KIND).unique()
        shown = pl.Series("shown", [_shown(*kind) for kind in kinds.iter_rows()], pl.String)
        named = every.join(kinds.with_columns(shown), on=_KIND, how="left", nulls_equal=True)
        rank = pl.col("shown").replace_strict(
            {outcome: rank for rank, outcome in enumerate(_WORST_FIRST)}, return_dtype=pl.Int8
        )
        worst = named.sort(rank).unique("value", keep="first")
        self.objects.update(dict(worst["shown"].value_counts().iter_rows()))
        codes = worst.filter(pl.col("code").is_not_null() & (pl.col("code") != NOT_SENT))
        self.codes.update(dict(codes["code"].value_counts().iter_rows()))


def _shown(outcome: str, code: str | None, reason: str | None) -> str:
    if outcome == _REJECTED and is_no_such_object(code, reason):
        return NO_SUCH_OBJECT
    if outcome == ObjectOutcome.UNKNOWN and is_unread(code):
        return LEFT
    return outcome


def _state(state: str | None, code: str | None) -> str:
    if state == ValueState.UNKNOWN:
        return NO_SUCH_OBJECT if is_no_such_object(code, None) else _REJECTED
    return state or LEFT
