"""Structured logs: names such as the run id are bound once, and every line then carries them.

`NXP_LOG=json` writes one JSON object per line to stderr. A line contains the logged message and
the bound names: never a value of a row, never a secret, and only the class of an exception.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from connectors.printable import printable, to_json

# The product's loggers; every module has its own below them.
OURS: Final = ("connectors", "tasks", "flows", "nxp")
# `extra` of a warning that no report has: a command without a log shows it all the same.
UNREPORTED: Final = {"nxp_unreported": True}
JSON: Final = "json"

_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039 - never changed


@contextmanager
def bound(**names: str | None) -> Iterator[None]:
    """Bind names (run_id, tenant, dataset, unit) to all log lines inside the `with` block."""
    known = {name: value for name, value in names.items() if value}
    token = _BOUND.set({**_BOUND.get(), **known})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_names() -> Mapping[str, str]:
    """Return the names bound in this context."""
    return _BOUND.get()


class PlainRecord(logging.LogRecord):
    """A record whose text and traceback do nothing to the terminal that shows them."""

    def getMessage(self) -> str:  # noqa: N802 - logging's own name
        """Return the message, with control characters written out."""
        return printable(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The formatted traceback, which ends with an error's text."""
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = text and printable(text)


def write_plainly() -> None:
    """Make all loggers of the process write out control characters; idempotent."""
    logging.setLogRecordFactory(PlainRecord)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time (UTC), level, logger, message, bound names and the class of an exception."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_BOUND.get(),
        }
        # Prefect adds the run id to its own records.
        if flow_run_id := getattr(record, "flow_run_id", None):
            entry.setdefault("flow_run_id", str(flow_run_id))
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace and trace.tb_next:
                trace = trace.tb_next
            if trace:
                code = trace.tb_frame.f_code
                entry["at"] = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        return to_json(entry, getattr(sys.stderr, "encoding", None), default=str)


class TextWithNames(logging.Formatter):
    """Writes a message followed by the bound names, for places that show only text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, followed by names and values in brackets."""
        names = " ".join(f"{name}={value}" for name, value in _BOUND.get().items())
        return f"{record.getMessage()} [{names}]" if names else record.getMessage()


class JsonOnStderr(logging.StreamHandler[Any]):
    """The handler of NXP_LOG=json, added at most once to each logger."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonLines())


def is_unreported(record: logging.LogRecord) -> bool:
    """Return whether a log record is a warning that only the log has."""
    return bool(getattr(record, "nxp_unreported", False))


def write_json() -> None:
    """Make the product's loggers, and Prefect's on a console, write JSON; idempotent.

    Called when the command starts and again when a run is opened, since Prefect adds its handlers
    in between.
    """
    known = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    for logger in known:
        for handler in logger.handlers:
            is_file = isinstance(handler, logging.FileHandler)
            if type(handler).__module__.startswith("prefect") and not is_file:
                _take_over(logger, handler)
    for name in OURS:
        logger = logging.getLogger(name)
        # Prefect's console handler on the root logger now writes JSON too: avoid a second copy.
        logger.propagate = False
        if not any(isinstance(handler, JsonOnStderr) for handler in logger.handlers):
            logger.addHandler(JsonOnStderr())
            if logger.level in {logging.NOTSET, logging.WARNING}:
                logger.setLevel(logging.INFO)


def _take_over(logger: logging.Logger, handler: logging.Handler) -> None:
    """Make a console handler of Prefect write JSON, but not our lines a second time."""
    if not isinstance(handler, logging.StreamHandler):
        return
    if logger.name in OURS:
        logger.removeHandler(handler)
    else:
        handler.setFormatter(JsonLines())
