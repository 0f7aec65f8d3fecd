"""Turning a database's errors into one line that says what to do.

The database's own message is not repeated: it quotes rows ("Failing row contains …") and may quote
passwords. Names of columns and constraints are repeated, since people need them.
"""

import re
from typing import TYPE_CHECKING

from connectors.databases.sqlite_failures import sqlite_meaning
from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)

if TYPE_CHECKING:
    from adbc_driver_manager import Error

AS_IT_WAS = "the table is unchanged"
BY_STATE: dict[str, tuple[type[PipelineError], str]] = {
    "42501": (StorageError, ": the database's user lacks a permission (docs/sql.md lists them)"),
    "25006": (StorageError, ": the database is read-only"),
    "53100": (StorageError, ": the database's disk is full"),
    "55P03": (UnavailableError, " is locked by another session: try again"),
    "25P04": (UnavailableError, ": stopped by transaction_timeout, a limit of the user: raise it"),
    "40001": (UnavailableError, " is being changed by another session: try again"),
    "40P01": (UnavailableError, " is locked by another session: try again"),
    "57014": (UnavailableError, ": the load was cancelled, perhaps by statement_timeout: raise it"),
    "2BP01": (
        DataRefusedError,
        ": a view or a key uses a partition of the table: let it use the table itself",
    ),
    "0A000": (
        DataRefusedError,
        ": a view uses a column whose type has to change: alter both by hand (docs/sql.md)",
    ),
}
# The database's encoding lacks a character, or the text is not valid in it.
BY_ENCODING = {"22P05", "22021"}
# The line that COPY adds at the end: the lines above it may quote a value.
COLUMN_IN_CONTEXT = re.compile(r"^COPY \S+, line \d+, column (\w+)$", re.MULTILINE)
# The only messages of SQLite that are known to hold no values.
SQLITE_CONSTRAINT = re.compile(
    r"(CHECK|NOT NULL|UNIQUE|FOREIGN KEY) constraint failed(: [\w., ]+)?"
)
# Words of a server that is there, and can be used later.
COMING_OR_GOING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "too many",
    "remaining conn",
    "terminating connection",
)
# What libpq itself says, in English, after a server has stopped while we were connecting.
CLOSED = ("closed the connection", "Connection reset", "Broken pipe", "SSL SYSCALL error")


def explain(error: "Error", table: str) -> PipelineError:
    """Return the error to raise: one line with what the database refuses, and what to do."""
    if not error.sqlstate:
        return _without_state(error, table)
    return explain_state(error.sqlstate, error, table)


def explain_state(state: str, error: object, table: str) -> PipelineError:
    """Return the same for a SQLSTATE; `error` is the driver's, with its details."""
    if known := BY_STATE.get(state):
        kind, reason = known
        return kind(f"{table}{reason}; {AS_IT_WAS}")
    return _by_class(error, state, table)


def lost(table: str) -> UnavailableError:
    """Return the error to raise if the connection is lost before the commit."""
    return UnavailableError(f"{table}: the database went away: run again later; {AS_IT_WAS}")


def explain_connecting(error: "Error", shown: str) -> PipelineError:
    """Return the error to raise if connecting to a PostgreSQL server fails."""
    text = str(error)
    if error.sqlstate == "57014":
        return UnavailableError(
            f"NXP_DATABASE_URL: {shown} cancels the first statements of a session, perhaps by "
            "statement_timeout: raise it"
        )
    is_closed = any(words in text for words in CLOSED)
    fatal = text.partition("FATAL:")[2]
    if fatal and not is_closed and not any(words in fatal for words in COMING_OR_GOING):
        # These messages name user and database, and nothing else.
        reason = fatal.strip().splitlines()[0]
        return ConfigurationError(f"NXP_DATABASE_URL: {shown} refuses: {reason}")
    if (
        "Connection refused" in text
        or "timeout" in text
        or "timed out" in text
        or fatal
        or is_closed
    ):
        return UnavailableError(
            f"NXP_DATABASE_URL: no database answers at {shown}: try again when it runs"
        )
    if "translate host name" in text:
        return ConfigurationError(f"NXP_DATABASE_URL: the host of {shown} is not known")
    if "No such file" in text:
        return UnavailableError(f"NXP_DATABASE_URL: no database listens at {shown}'s socket")
    return ConfigurationError(
        f"NXP_DATABASE_URL: cannot connect to {shown}: check host, port and options"
    )


def _by_class(error: object, state: str, table: str) -> PipelineError:
    """Return the error for the first two characters of a SQLSTATE."""
    if state.startswith(("08", "53", "57")):
        return lost(table)
    if state.startswith("23"):
        return _constraint(error, table)
    if state.startswith("22"):
        columns = COLUMN_IN_CONTEXT.findall(_detail(error, "PG_DIAG_CONTEXT"))
        where = f"column {columns[-1]}" if columns else "a column"
        if state in BY_ENCODING:
            return DataRefusedError(
                f"{table}: {where} holds a character that the database's encoding lacks: land in "
                f"a database with the encoding UTF8 (docs/sql.md); {AS_IT_WAS}"
            )
        return DataRefusedError(
            f"{table}: {where} holds a value that its type does not allow (SQLSTATE {state}): "
            f"declare it as string, or correct the query; {AS_IT_WAS}"
        )
    return ConfigurationError(
        f"{table}: the database refuses a statement (SQLSTATE {state}); {AS_IT_WAS}"
    )


def _constraint(error: object, table: str) -> DataRefusedError:
    constraint = _detail(error, "PG_DIAG_CONSTRAINT_NAME")
    column = _detail(error, "PG_DIAG_COLUMN_NAME")
    if not constraint and not column:
        return DataRefusedError(
            f"{table}: the table is partitioned, and rows have no partition to go to: add it, or "
            f"set partition: window (docs/sql.md); {AS_IT_WAS}"
        )
    broken = f"constraint {constraint}" if constraint else f"column {column}, which is NOT NULL"
    return DataRefusedError(
        f"{table}: rows break {broken} of the table: change it, or the query; {AS_IT_WAS}"
    )


def _detail(error: object, name: str) -> str:
    for key, value in getattr(error, "details", None) or ():
        if (key.decode() if isinstance(key, bytes) else key) == name:
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    # psycopg's errors have an attribute for each.
    field = name.removeprefix("PG_DIAG_").lower()
    return str(getattr(getattr(error, "diag", None), field, None) or "")


def _without_state(error: "Error", table: str) -> PipelineError:
    """Return the error for a message of SQLite, or of libpq after a lost connection."""
    from adbc_driver_manager import AdbcStatusCode  # noqa: PLC0415 - its own errors only

    text = str(error)
    if match := SQLITE_CONSTRAINT.search(text):
        return DataRefusedError(
            f"{table}: rows break the table's {match[0].replace(' failed', '')}: change it, or the "
            f"query; {AS_IT_WAS}"
        )
    if meaning := sqlite_meaning(text):
        kind, reason = meaning
        if kind is ConfigurationError:
            reason = ": NXP_DATABASE_URL does not name a SQLite database"
        return kind(f"{table}{reason}; {AS_IT_WAS}")
    if error.status_code == AdbcStatusCode.IO:
        return lost(table)
    return ConfigurationError(f"{table}: the database refuses a statement; {AS_IT_WAS}")
