"""Logs of a run: bound to it, as JSON where that is asked for, and in Prefect with their names."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.logs import JSON, OURS, TextWithNames, bound, write_json
from connectors.settings.installation import Settings


@contextmanager
def logs_of(settings: Settings, **names: str | None) -> Iterator[None]:
    """Bind names to all lines of a run, wherever they go.

    Args:
        settings: of the installation; say whether stderr gets JSON.
        names: run_id, tenant, and what the run is about: dataset, sync or action.
    """
    if settings.log == JSON:
        write_json()
    with bound(**names, flow_run_id=_in_prefect()):
        yield


def _in_prefect() -> str | None:
    """Let Prefect show the names too, and give the flow run's id, where this is one."""
    # Settings are read on its import, which is not ours to cause: without it there is no flow run.
    if "prefect" not in sys.modules:
        return None
    from prefect import runtime  # noqa: PLC0415
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415

    for logger in map(logging.getLogger, OURS):
        for handler in logger.handlers:
            if isinstance(handler, APILogHandler):
                handler.setFormatter(TextWithNames())
    flow_run_id = runtime.flow_run.id
    return flow_run_id and str(flow_run_id)
