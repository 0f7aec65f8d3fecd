"""Who asks for a flow run: a person at a terminal, a name in a form, or nobody."""

from prefect.context import FlowRunContext

from tasks.act.person import Person, person_here, person_of_form


def person_of_run(who: str | None = None) -> Person:
    """Return who asks for this flow run.

    The process of a command belongs to the person who typed it. That of a deployment's run belongs
    to its worker; the same may be so for the run of a flow within another flow.

    Args:
        who: the name given in the form, if any.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or (run.deployment_id is None and run.parent_task_run_id is None):
        return person_here()
    return person_of_form(who)
