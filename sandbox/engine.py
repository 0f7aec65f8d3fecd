"""Runs saved queries against the estate: the one road from a query id to rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.estate.estate import Estate
from sandbox.nql.evaluator import Pieces, evaluate
from sandbox.nql.parser import parse
from sandbox.nql.plan import Plan
from sandbox.nql.resolver import parameters_of, resolve
from sandbox.nql.timeframe import Frame, frame_of, refuse_beyond
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries

# Events asked for without a time frame: the vendor's pages do not say what is meant.
DEFAULT_FRAME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query ready to run: its plan, its frame and the moment it speaks of."""

    plan: Plan
    frame: Frame
    now: datetime


class Engine:
    """Answers saved queries."""

    def __init__(self, options: SandboxOptions, queries: SavedQueries, started: datetime) -> None:
        """Build the estate."""
        self._options = options
        self._queries = queries
        self._zone = ZoneInfo(options.time_zone)
        self._estate = Estate(options, started)

    def missing_parameters(self, text: str, parameters: Mapping[str, str]) -> set[str]:
        """Return the parameters of a query that have no value."""
        return parameters_of(parse(text)) - set(parameters)

    def prepare(self, text: str, parameters: Mapping[str, str], now: datetime) -> Prepared:
        """Settle a query, or raise the NqlError that says why it cannot run."""
        query = parse(text)
        plan = resolve(query, text, parameters, self._zone)
        if plan.selection is not None:
            frame = frame_of(plan.selection, now, self._zone)
        else:
            length = DEFAULT_FRAME if plan.table.is_event else timedelta(days=36500)
            frame = Frame(now - length, now)
        if plan.table.samples:
            refuse_beyond(frame, self._options.reach_limit)
        return Prepared(plan, frame, now)

    def rows(self, prepared: Prepared) -> Pieces:
        """Yield the result, at least one piece."""
        return evaluate(prepared.plan, self._estate, prepared.frame, prepared.now)
