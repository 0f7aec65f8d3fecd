"""Reports and overviews in the Prefect UI, each under a stable key that can be bookmarked.

Keys name kind, tenant and subject, so that tenants on one server do not share a history. A plain
run has no UI, so nothing is shown there.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tasks.runs.progress import Count, Progress, Seldom, listening
from tasks.runs.recorded import flow_run

logger = logging.getLogger(__name__)

# Artifacts are kept in Prefect's database and have no size limit of their own.
ARTIFACT_ROWS: Final = 100
# A run of a few units ends before anyone looks.
SHOWN_FROM: Final = 10
ARTIFACT_EVERY_SECONDS: Final = 5.0
LONGEST_CAUSE: Final = 200


def artifact_key(*parts: str) -> str:
    """Return a key in the characters that Prefect allows: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def show_report(kind: str, tenant: str, name: str, text: str) -> None:
    """Keep a report as an artifact of the flow run.

    Args:
        kind: export, sync or action.
        tenant: its name.
        name: of the dataset, sync or action.
        text: the report in Markdown.
    """
    if flow_run() is None:
        return
    from prefect.artifacts import create_markdown_artifact  # noqa: PLC0415 - not in a plain run

    key = artifact_key(kind, tenant, name)
    about = f"How the newest {kind} run of {name} ended, tenant {tenant}."
    attempted(key, lambda: create_markdown_artifact(key=key, markdown=text, description=about))


def show_plan(kind: str, tenant: str, name: str, text: str) -> None:
    """Keep a plan, which names nobody, as an artifact of the flow run that made it.

    Args:
        kind: sync or action.
        tenant: its name.
        name: of the sync or action.
        text: the plan in Markdown.
    """
    if flow_run() is None:
        return
    from prefect.artifacts import create_markdown_artifact  # noqa: PLC0415 - not in a plain run

    key = artifact_key("plan", kind, tenant, name)
    about = f"The newest plan of the {kind} {name}, tenant {tenant}."
    attempted(key, lambda: create_markdown_artifact(key=key, markdown=text, description=about))


def table_of(
    kind: str, tenant: str, rows: Sequence[Mapping[str, Any]], about: str
) -> dict[str, Any]:
    """Return a table as Prefect keeps it: its key, the rows that fit, and what it is about."""
    if len(rows) > ARTIFACT_ROWS:
        about = f"{about} The first {ARTIFACT_ROWS} of {len(rows):,}."
    table = [dict(row) for row in rows[:ARTIFACT_ROWS]]
    return {"key": artifact_key(kind, tenant), "table": table, "description": about}


def show_table(kind: str, tenant: str, rows: Sequence[Mapping[str, Any]], about: str) -> None:
    """Keep a table as an artifact of the flow run, cut to ARTIFACT_ROWS."""
    if flow_run() is None:
        return
    from prefect.artifacts import create_table_artifact  # noqa: PLC0415 - not in a plain run

    made = table_of(kind, tenant, rows, about)
    attempted(made["key"], lambda: create_table_artifact(**made))


@contextmanager
def progress_shown(tenant: str, name: str, units: int) -> Iterator[None]:
    """Keep the progress artifact of a long run up to date."""
    if units < SHOWN_FROM or flow_run() is None:
        yield
        return
    from prefect.artifacts import (  # noqa: PLC0415 - not in a plain run
        create_progress_artifact,
        update_progress_artifact,
    )

    count, seldom = Count(units), Seldom(ARTIFACT_EVERY_SECONDS)
    key = artifact_key("progress", tenant, name)
    about = f"How many of the {units:,} windows of this run have ended."
    artifact = attempted(key, lambda: create_progress_artifact(0.0, key=key, description=about))
    if artifact is None:
        yield
        return

    def show(progress: Progress) -> None:
        if count.add(progress) and (seldom.is_time() or count.done == units):
            attempted(
                key,
                lambda: update_progress_artifact(
                    artifact, progress=100 * count.done / units, description=str(count)
                ),
            )

    with listening(show):
        yield


def attempted(key: str, show: Callable[[], Any]) -> Any:
    """Show something; a failure is only logged, with its cause: no work depends on the UI."""
    try:
        return show()
    except Exception as error:  # noqa: BLE001 - whatever the server answers
        logger.warning("%s could not be shown in Prefect: %s", key, cause_of(error))
        return None


def cause_of(error: Exception) -> str:
    """Return the class of an error and the first line of its message, for a log."""
    line = next(iter(str(error).splitlines()), "")[:LONGEST_CAUSE]
    return f"{type(error).__name__} {line}".rstrip()
