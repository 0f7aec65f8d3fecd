"""Exporting a unit that is too large in pieces: in halves of time, then by the dataset's shards.

HTTP 206 says that the tenant has truncated a result. Each piece is requested and journalled on its
own; together they are the unit, which is published as one.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from connectors.catalogue import DatasetSpecification, Mode, Shard
from connectors.catalogue.specification import describe
from connectors.errors import ResultTruncatedError
from connectors.lake.lake import unit_name
from tasks.exports.arrival import Arrival, Spooled, arrive
from tasks.exports.export import Ready
from tasks.exports.request import Request
from tasks.exports.windows import Window, literal, split
from tasks.land.calendar import Calendar
from tasks.land.plan import Unit
from tasks.land.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a unit: some of its time, and one shard if it is divided by shards."""

    window: Window | None
    shard: Shard | None = None
    is_part: bool = False

    @property
    def name(self) -> str:
        """The piece's name in the journal; empty for the whole unit."""
        part = unit_name(self.window.start, self.window.end) if self.window else ""
        return (
            f"{part if self.is_part else ''}/{self.shard.name}"
            if self.shard
            else (part if self.is_part else "")
        )

    def label(self, run: Run, unit: Unit) -> str:
        """Return the piece as an operator names it: its time, and its shard."""
        window = self.window
        time = run.named(window.start, window.end) if window else run.label(unit)
        return f"{time} {self.shard.name}" if self.shard else time

    def parts(self, run: Run) -> list["Piece"]:
        """Divide a piece that was truncated; return no parts if it cannot be divided."""
        specification, zone = run.plan.specification, run.plan.tenant.zone
        if self.window and specification.mode is Mode.WINDOW and specification.window:
            halves = split(self.window, specification.window.min_step, zone)
            if halves:
                return [replace(self, window=half, is_part=True) for half in halves]
        if self.shard is None:
            return [replace(self, shard=shard) for shard in specification.shards]
        return []


def fetch_pieces(
    run: Run,
    unit: Unit,
    refused: set[str],
    *,
    ready: Ready | None = None,
    spooled: bool = False,
) -> Iterator[tuple[Piece, Arrival | Spooled]]:
    """Yield a unit's results as they arrive, one after the other, by time and then by shard.

    Args:
        run: the run.
        unit: what is exported.
        refused: names of pieces that are known to be truncated.
        ready: the finished export of the whole unit, if there is one already.
        spooled: download each result completely to a file before it is read.

    Raises:
        ResultTruncatedError: a piece is truncated and cannot be divided further.
    """
    waiting = deque([Piece(unit.window)])
    while waiting:
        piece = waiting.popleft()
        try:
            if piece.name in refused:
                raise ResultTruncatedError(f"{run.dataset} {unit.name}: reached the row limit")  # noqa: TRY301 - handled like the tenant's own
            arriving = arrive(
                run.tools,
                run.plan.specification,
                request_for(run, unit, piece),
                run.spool,
                ready=None if piece.name else ready,
                spooled=spooled,
            )
        except ResultTruncatedError as error:
            parts = piece.parts(run)
            if not parts:
                raise _too_large(run, unit, piece, error) from None
            logger.warning("%s: dividing it into %d parts", error, len(parts))
            waiting.extendleft(reversed(parts))
        else:
            yield piece, arriving


def unit_request(run: Run, unit: Unit) -> Request:
    """Return the request for a whole unit."""
    return request_for(run, unit, Piece(unit.window))


def request_for(run: Run, unit: Unit, piece: Piece) -> Request:
    """Return the request for a piece; a window's bounds are written in the tenant's zone."""
    specification = run.plan.specification
    parameters = dict(specification.parameters)
    if piece.shard:
        parameters |= piece.shard.parameters
    window = specification.window
    if piece.window and window and specification.mode is Mode.WINDOW:
        parameters[window.from_] = literal(piece.window.start, run.plan.tenant.zone)
        parameters[window.to] = literal(piece.window.end, run.plan.tenant.zone)
    return Request(
        run.dataset,
        unit.name,
        (piece.shard and piece.shard.query_id) or _query_id(run, specification, piece),
        parameters,
        specification.compression,
        piece.name,
        piece.label(run, unit),
    )


def _query_id(run: Run, specification: DatasetSpecification, piece: Piece) -> str:
    if specification.mode is not Mode.SLICES or piece.window is None:
        return specification.query_id
    calendar = Calendar.of(specification, run.plan.tenant)
    return specification.query_id_of(calendar.days_back(piece.window, run.tools.clock()))


def _too_large(
    run: Run, unit: Unit, piece: Piece, error: ResultTruncatedError
) -> ResultTruncatedError:
    window = run.plan.specification.window
    what = f"{run.dataset} {unit}"
    if piece.is_part and window:
        what += f", even {piece.window} of it (min_step {describe(window.min_step)})"
    if piece.shard:
        what += f", even its shard {piece.shard.name}"
    return ResultTruncatedError(
        f"{what}: the tenant truncates the result at its row limit (HTTP 206): "
        f"{_advice(run.plan.specification)}; nothing was published, earlier data stays",
        exchange=error.exchange,
    )


def _advice(specification: DatasetSpecification) -> str:
    """Return what would make the pieces smaller, in the dataset's mode."""
    if specification.mode is Mode.SLICES:
        return "make the saved queries select less"
    shards = "divide its shards further" if specification.shards else "add shards"
    return shards if specification.window is None else f"{shards}, or make min_step smaller"
