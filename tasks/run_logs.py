"""Logs of a run: bound to it, as JSON where that is asked for, and in Prefect with their names."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import runtime
from prefect.logging.handlers import APILogHandler

from connectors.logs import JSON, OURS, TextWithNames, bound, write_json
from connectors.settings import Settings


@contextmanager
def logs_of(settings: Settings, **names: str | None) -> Iterator[None]:
    """Bind names to all lines of a run, wherever they go.

    Args:
        settings: of the installation; say whether stderr gets JSON.
        names: run_id, tenant, and what the run is about: dataset, sync or action.
    """
    if settings.log == JSON:
        write_json()
    for logger in map(logging.getLogger, OURS):
        for handler in logger.handlers:
            if isinstance(handler, APILogHandler):
                handler.setFormatter(TextWithNames())
    flow_run_id = runtime.flow_run.id
    with bound(**names, flow_run_id=flow_run_id and str(flow_run_id)):
        yield
