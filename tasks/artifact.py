"""Showing a report in the Prefect UI."""

import logging

from prefect.artifacts import create_markdown_artifact

logger = logging.getLogger(__name__)


def show_report(kind: str, name: str, text: str, run_id: str) -> None:
    """Keep a report as an artifact of the flow run; what was done does not depend on the UI.

    Args:
        kind: export, sync or action.
        name: of the dataset, sync or action.
        text: the report in Markdown.
        run_id: the run.
    """
    try:
        create_markdown_artifact(key=f"{kind}-{name.replace('_', '-')}", markdown=text)
    except Exception:  # noqa: BLE001 - whatever the server says to it
        logger.warning("the report of run %s could not be shown in Prefect", run_id)
