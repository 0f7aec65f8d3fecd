"""Holding a unit while it lands: the lease, whether it may be exported now, and why it failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from connectors.errors import DataRefusedError, LimitReachedError, PipelineError, UnavailableError
from connectors.ledger import Lease
from connectors.logs import bound
from tasks.land.asked import Only
from tasks.land.chunks import is_done
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.run import Run, subject_of
from tasks.runs.progress import SKIPPED, Progress, tell
from tasks.runs.recorded import recorded


@contextmanager
def held(run: Run, unit: Unit) -> Iterator[Lease]:
    """Hold a unit, and record in the ledger why it failed; its log lines name it.

    Raises:
        HeldError: another run holds this unit.
    """
    with (
        bound(unit=unit.name),
        run.ledger.lease(run.dataset, unit.name, unit.starts_at, unit.ends_at, run.run_id) as lease,
        _recorded(run, unit, lease),
    ):
        yield lease


def landed_by_another(run: Run, unit: Unit) -> UnitOutcome | None:
    """Return the outcome of a held unit that another run has landed since it was planned.

    Raises:
        DataRefusedError: it has expired.
        LimitReachedError: the tenant does not allow another try yet.
    """
    if _landed_since_planned(run, unit):
        return _skip(run, unit)
    _check_may_ask(run, unit)
    run.folder()
    run.tools.calls.take()
    return None


@recorded("land", subject_of, says=str)
def _skip(run: Run, unit: Unit) -> UnitOutcome:
    tell(Progress(run.dataset, unit.name, SKIPPED))
    return UnitOutcome(unit=unit.name, skipped=True)


def _landed_since_planned(run: Run, unit: Unit) -> bool:
    """Return whether another run landed a window after it was planned; we hold its lease now."""
    record = run.ledger.unit(run.dataset, unit.name)
    if chunk := run.plan.asked.chunk:
        return is_done(record, run.plan.asked.only or Only.MISSING, chunk.begun_at)
    landed_at = record.landed_at if record else None
    return unit.window is not None and landed_at is not None and landed_at > run.plan.planned_at


def _check_may_ask(run: Run, unit: Unit) -> None:
    """Raise if a unit has expired, or the tenant does not allow another try yet."""
    record = run.ledger.unit(run.dataset, unit.name)
    now = run.tools.clock()
    if record and record.not_before and record.not_before > now:
        raise LimitReachedError(
            f"{run.dataset} {unit}: the tenant's limit is reached, it allows the next try at "
            f"{record.not_before:%Y-%m-%d %H:%M:%SZ}: run again then",
            not_before=record.not_before,
        )
    calendar = run.plan.calendar
    if unit.window and calendar and calendar.is_expired(unit.window, now):
        raise DataRefusedError(
            f"{run.dataset} {unit}: expired by now, no row of it can come any more; "
            "nothing was published"
        )


@contextmanager
def _recorded(run: Run, unit: Unit, lease: Lease) -> Iterator[None]:
    """Record in the ledger why a unit failed, unless another run holds it by now."""
    try:
        yield
    except PipelineError as error:
        if not lease.renew():
            raise
        if isinstance(error, DataRefusedError):
            # The tenant may correct what is wrong, so the next run must export again.
            run.ledger.journal.forget(run.dataset, unit.name)
        again = isinstance(error, UnavailableError)
        run.ledger.mark_failed(
            run.dataset,
            unit.name,
            str(error),
            state="pending" if again else "failed",
            not_before=_not_before(error),
        )
        raise


def _not_before(error: PipelineError) -> datetime | None:
    """Return when the tenant allows another try of a unit, if it has answered so itself.

    What a limit of ours allows is counted for all units together, and some may come first.
    """
    is_answer = isinstance(error, LimitReachedError) and error.exchange is not None
    return error.not_before if isinstance(error, LimitReachedError) and is_answer else None
