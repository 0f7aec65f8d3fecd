"""Reports and overviews in the Prefect UI, each at a key that stays: an operator's bookmark.

Keys name kind, tenant and what it is about, so that tenants on one server do not share a history.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from prefect.artifacts import create_markdown_artifact, create_table_artifact

logger = logging.getLogger(__name__)

# Artifacts are kept in Prefect's database and have no size limit of their own.
ARTIFACT_ROWS: Final = 100


def artifact_key(*parts: str) -> str:
    """Make a key of what Prefect allows: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def show_report(kind: str, tenant: str, name: str, text: str) -> None:
    """Keep a report as an artifact of the flow run.

    Args:
        kind: export, sync or action.
        tenant: its name.
        name: of the dataset, sync or action.
        text: the report in Markdown.
    """
    key = artifact_key(kind, tenant, name)
    shown(key, lambda: create_markdown_artifact(key=key, markdown=text))


def show_table(kind: str, tenant: str, rows: Sequence[Mapping[str, Any]], about: str) -> None:
    """Keep a table as an artifact of the flow run, as many rows of it as fit."""
    key = artifact_key(kind, tenant)
    if len(rows) > ARTIFACT_ROWS:
        about = f"{about} The first {ARTIFACT_ROWS} of {len(rows):,}."
    table = [dict(row) for row in rows[:ARTIFACT_ROWS]]
    shown(key, lambda: create_table_artifact(table=table, key=key, description=about))


def shown(key: str, show: Callable[[], Any]) -> None:
    """Show something; what was done does not depend on the UI."""
    try:
        show()
    except Exception:  # noqa: BLE001 - whatever the server says to it
        logger.warning("%s could not be shown in Prefect", key)
