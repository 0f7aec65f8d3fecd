"""Structured logs: what a line belongs to is bound once, and every line of its threads carries it.

`NXP_LOG=json` writes one JSON object a line on stderr. A line holds what its logger said, and the
names bound around it: never a value of a row, never a secret, of an exception only its kind.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

# The loggers of the product; below them every module has its own.
OURS: Final = ("connectors", "tasks", "flows", "nxp")
JSON: Final = "json"

_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039 - never changed


@contextmanager
def bound(**names: str | None) -> Iterator[None]:
    """Bind names (run_id, tenant, dataset, unit) to all lines of this context meanwhile."""
    known = {name: value for name, value in names.items() if value}
    token = _BOUND.set({**_BOUND.get(), **known})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_names() -> Mapping[str, str]:
    """Give what is bound here."""
    return _BOUND.get()


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time (UTC), level, logger, message, what is bound, and of an exception its kind."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_BOUND.get(),
        }
        # Prefect gives its own records the run that they belong to.
        if flow_run_id := getattr(record, "flow_run_id", None):
            told.setdefault("flow_run_id", str(flow_run_id))
        if record.exc_info and record.exc_info[0]:
            told["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace and trace.tb_next:
                trace = trace.tb_next
            if trace:
                code = trace.tb_frame.f_code
                told["at"] = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        return json.dumps(told, ensure_ascii=False, default=str)


class TextWithNames(logging.Formatter):
    """Writes a message, and behind it what is bound, for places that show text only."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the message, and names and values in brackets."""
        names = " ".join(f"{name}={value}" for name, value in _BOUND.get().items())
        return f"{record.getMessage()} [{names}]" if names else record.getMessage()


class JsonOnStderr(logging.StreamHandler[Any]):
    """The handler of NXP_LOG=json; one of it, whoever asks."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonLines())


def write_json() -> None:
    """Let the product's loggers, and others that write to a stream, write JSON; idempotent.

    Called when the command starts, and when a run is opened: by then Prefect has its handlers.
    """
    known = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    for logger in known:
        for handler in logger.handlers:
            is_file = isinstance(handler, logging.FileHandler)
            if type(handler).__module__.startswith("prefect") and not is_file:
                _take_over(logger, handler)
    for name in OURS:
        logger = logging.getLogger(name)
        # Prefect's console of the root logger writes JSON by now, too.
        logger.propagate = False
        if not any(isinstance(handler, JsonOnStderr) for handler in logger.handlers):
            logger.addHandler(JsonOnStderr())
            if logger.level in {logging.NOTSET, logging.WARNING}:
                logger.setLevel(logging.INFO)


def _take_over(logger: logging.Logger, handler: logging.Handler) -> None:
    """Let a console of Prefect write JSON, and nothing of ours a second time."""
    if not isinstance(handler, logging.StreamHandler):
        return
    if logger.name in OURS:
        logger.removeHandler(handler)
    else:
        handler.setFormatter(JsonLines())
