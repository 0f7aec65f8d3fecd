"""Recording a step: a Prefect task inside a flow run, the plain function everywhere else.

This is the only place where steps become tasks. A plain run never imports Prefect from here, so it
starts in a fraction of a second.

Prefect sees a step's name and how it ended, never its arguments or its result: these may be frames,
and Prefect would walk through all of them.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial, wraps
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakSet

from connectors.errors import PipelineError
from tasks.runs.stopping import StoppedError

if TYPE_CHECKING:
    from prefect import Task
    from prefect.client.schemas.objects import State
    from prefect.context import FlowRunContext

P = ParamSpec("P")
R = TypeVar("R")

# Created by a schedule, or by an automation that waits for an event.
_NO_PERSON = frozenset({"SCHEDULE", "AUTOMATION"})
_IS_PLAIN: ContextVar[bool] = ContextVar("is_plain", default=False)
# What `hurry` has set; a reference keeps it set.
_HURRIED: list[AbstractContextManager[object]] = []
# Errors that a failed task run shows already.
_SHOWN: WeakSet[PipelineError] = WeakSet()


def flow_run() -> "FlowRunContext | None":
    """Return the flow run that this code runs in; None in a plain run."""
    context = sys.modules.get("prefect.context")
    found: FlowRunContext | None = context.FlowRunContext.get() if context else None
    return found


def is_scheduled() -> bool:
    """Return whether a schedule or an automation started the flow run, rather than a person."""
    context = flow_run()
    run = context.flow_run if context else None
    if run is None:
        return False
    by = run.created_by
    return bool(run.auto_scheduled or (by and by.type in _NO_PERSON))


@contextmanager
def unrecorded() -> Iterator[None]:
    """Let steps in the block be plain functions, because a larger step records them together."""
    before = _IS_PLAIN.set(True)
    try:
        yield
    finally:
        _IS_PLAIN.reset(before)


def is_shown(error: PipelineError) -> bool:
    """Return whether a failed task run shows this error."""
    return error in _SHOWN


def recorded(
    verb: str,
    subject: str | Callable[..., str] = "{run.subject}",
    says: Callable[[Any], str] | None = None,
    *,
    cancelled_by: type[PipelineError] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes a step a Prefect task when it is called inside a flow run.

    Prefect neither caches, persists nor repeats it: the ledger decides what may be repeated.

    Args:
        verb: what the step does, such as `land`.
        subject: what the step works on, a template over its arguments or a function of them. The
            name of the task run is verb and subject, such as `land crashes 2026-11-08`.
        says: sums up the result in a few words, as the message of the task run's state. The message
            of an error is the error's own line.
        cancelled_by: errors of this class show the task run as cancelled, not as failed: the step
            is tried again later.
    """

    def decorate(step: Callable[P, R]) -> Callable[P, R]:
        expected = signature(step)

        @wraps(step)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if flow_run() is None or _IS_PLAIN.get():
                return step(*args, **kwargs)
            name = f"{verb} {_subject(expected, subject, *args, **kwargs)}"
            work = partial(step, *args, **kwargs)
            result: R = _Call(name, work, says, cancelled_by).recorded_as(verb)
            return result

        return call

    return decorate


def _subject(
    expected: Signature, subject: str | Callable[..., str], *args: Any, **kwargs: Any
) -> str:
    if callable(subject):
        return subject(*args, **kwargs)
    return subject.format(**expected.bind(*args, **kwargs).arguments)


class _Call:
    """One call of a step, as Prefect's task gets it: only its state comes out."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Any],
        says: Callable[[Any], str] | None,
        cancelled_by: type[PipelineError] | None,
    ) -> None:
        self.name = name
        self._work = work
        self._says = says
        self._cancelled_by = cancelled_by
        self._result: Any = None
        self._error: Exception | None = None

    def recorded_as(self, verb: str) -> Any:
        """Do the work as a task run; return its result or raise its error."""
        _task(verb)(self)
        if self._error is not None:
            raise self._error
        return self._result

    def state(self) -> "State[Any]":
        """Do the work, and return how it ended as a state of Prefect's."""
        from prefect.states import (  # noqa: PLC0415 - a plain run never comes here
            Cancelled,
            Completed,
            Crashed,
            Failed,
        )

        try:
            self._result = self._work()
        except PipelineError as error:
            self._error = error
            if self._cancelled_by and isinstance(error, self._cancelled_by):
                return Cancelled(message=str(error))
            _SHOWN.add(error)
            return Failed(message=str(error))
        except StoppedError as error:
            self._error = error
            return Crashed(message="stopped before it ended; the next run continues")
        return Completed(message=self._says(self._result) if self._says else None)


@cache
def _task(verb: str) -> Callable[[_Call], Any]:
    def run(call: _Call) -> Any:
        return call.state()

    return as_task(run, verb, "{call.name}")


def as_task(function: Callable[P, R], name: str, run_name: str) -> "Task[P, R]":
    """Return a function as a task, without retries whatever Prefect's settings say.

    Stages of flows and operations of the client are tasks of this kind: nothing of them is cached
    or kept.
    """
    from prefect import task  # noqa: PLC0415 - a plain run never comes here
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

    return task(
        name=name,
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=0,
        log_prints=False,
    )(function)


@dataclass(slots=True)
class FlowEnd:
    """How the body of a flow ended, known before Prefect has recorded it."""

    is_over: bool = False
    result: Any = None
    error: PipelineError | None = None


_END: ContextVar[FlowEnd | None] = ContextVar("end", default=None)


@contextmanager
def ends_noted() -> Iterator[FlowEnd]:
    """Yield how the flow ends that is called in the block, as soon as its body has ended."""
    end = FlowEnd()
    before = _END.set(end)
    try:
        yield end
    finally:
        _END.reset(before)


def completed(result: R, message: str) -> R:
    """Return a flow's result with a message for its state, which operators read first."""
    from prefect.states import Completed  # noqa: PLC0415 - a plain run never comes here

    if end := _END.get():
        end.is_over, end.result = True, result
    state: Any = Completed(data=result, message=message)
    return state  # type: ignore[no-any-return] # Prefect takes a state as a result


def cancelled(error: PipelineError) -> Any:
    """Return the state of a flow that a person did not let run, which is not a failure."""
    from prefect.states import Cancelled  # noqa: PLC0415 - a plain run never comes here

    if end := _END.get():
        end.is_over, end.error = True, error
    return Cancelled(message=str(error))


def hurry() -> None:
    """Let Prefect's client ask at most once more for each thing: this run is being stopped.

    Otherwise it tries for a minute to reach a server that was stopped with the run.
    """
    if flow_run() is None:
        return
    from prefect.settings import (  # noqa: PLC0415 - a plain run never comes here
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    # For the rest of the process, so it is never left.
    hurried = temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1})
    hurried.__enter__()
    _HURRIED.append(hurried)
