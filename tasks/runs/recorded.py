"""Recording a step: a Prefect task inside a flow run, the plain function everywhere else.

The only place where steps become tasks. Prefect is imported by the flow, never from here in a
plain run, so that such a run starts in a fraction of a second.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from prefect.context import FlowRunContext

P = ParamSpec("P")
R = TypeVar("R")


def flow_run() -> "FlowRunContext | None":
    """Return the flow run that this code runs in, None in a plain run."""
    context = sys.modules.get("prefect.context")
    found: FlowRunContext | None = context.FlowRunContext.get() if context else None
    return found


def recorded(
    verb: str, subject: str = "{run.subject}", says: Callable[[Any], str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a step a Prefect task wherever it is called inside a flow run.

    Prefect neither caches, persists nor repeats it: what may be repeated, the ledger decides.

    Args:
        verb: what the step does, such as `land`.
        subject: what it does that to, a template over the step's arguments. The task run is named
            verb and subject, `land crashes`.
        says: sums up the result in a few words, for the message of the task run's state.
    """

    def decorate(step: Callable[P, R]) -> Callable[P, R]:
        as_task: list[Callable[P, R]] = []

        @wraps(step)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if flow_run() is None:
                return step(*args, **kwargs)
            if not as_task:
                as_task.append(_task(step, verb, f"{verb} {subject}", says))
            returned: Any = as_task[0](*args, **kwargs)
            # A task gives its state back where it made one itself; a flow unpacks it.
            result: R = returned.result() if says else returned
            return result

        return call

    return decorate


def _task(
    step: Callable[P, R], verb: str, name: str, says: Callable[[Any], str] | None
) -> Callable[P, R]:
    from prefect import task  # noqa: PLC0415 - a plain run never comes here
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

    @wraps(step)
    def described(*args: P.args, **kwargs: P.kwargs) -> Any:
        result = step(*args, **kwargs)
        return completed(result, says(result)) if says else result

    made: Callable[P, R] = task(
        name=verb, task_run_name=name, cache_policy=NO_CACHE, persist_result=False, retries=0
    )(described)
    return made


def completed(result: R, message: str) -> R:
    """Return a result of a flow or task with a message for its state: operators read that first."""
    from prefect.states import Completed  # noqa: PLC0415 - a plain run never comes here

    state: Any = Completed(data=result, message=message)
    return state  # type: ignore[no-any-return]
