"""What a database's refusal of a query means, in one line.

The database's own message is not repeated: it quotes rows, the query and its values.
"""

from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError, SQLAlchemyError

from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)

REFUSES = "the database refuses the credential: check the user and the password"
RIGHT = "the user lacks a right: grant SELECT on what the query reads"
WRITES = "the query tries to write: a source only reads"
GONE = "the database cannot be reached: try again later, or check the connection's URL"
BUSY = "the database is busy: try again later"

Meaning = tuple[type[PipelineError], str]

BY_STATE: dict[str, Meaning] = {
    "22021": (
        DataRefusedError,
        "a text of the database is not UTF-8: correct the row, or convert it in the query",
    ),
    "25006": (ConfigurationError, WRITES),
    "25P04": (UnavailableError, "the pull was stopped by transaction_timeout: raise it"),
    "3D000": (ConfigurationError, "there is no such database: check the connection's URL"),
    "42501": (AccessError, RIGHT),
    "42601": (ConfigurationError, "the query is not valid SQL"),
    "42703": (ConfigurationError, "the query names a column that does not exist"),
    "42883": (ConfigurationError, "the query uses a function or operator that does not exist"),
    "42P01": (ConfigurationError, "the query names a table that does not exist"),
    "57014": (UnavailableError, "the query was cancelled, perhaps by statement_timeout: raise it"),
}
BY_CLASS: dict[str, Meaning] = {
    "08": (UnavailableError, GONE),
    "22": (
        DataRefusedError,
        "a row holds a value that the query cannot handle: correct the row or the query",
    ),
    "28": (AccessError, REFUSES),
    "40": (UnavailableError, BUSY),
    "53": (UnavailableError, BUSY),
    "55": (UnavailableError, BUSY),
    "57": (UnavailableError, GONE),
}
# For errors without a state: PostgreSQL before it has accepted a login, SQLite always.
BY_WORDS: tuple[tuple[str, Meaning], ...] = (
    ("password authentication failed", (AccessError, REFUSES)),
    ("no password supplied", (AccessError, REFUSES)),
    ("no pg_hba.conf entry", (AccessError, REFUSES)),
    ('role "', (AccessError, REFUSES)),
    ('database "', (ConfigurationError, "there is no such database: check the connection's URL")),
    ("no such table", BY_STATE["42P01"]),
    ("no such column", BY_STATE["42703"]),
    ("no such function", BY_STATE["42883"]),
    ("syntax error", BY_STATE["42601"]),
    ("incomplete input", BY_STATE["42601"]),
    ("readonly", (ConfigurationError, WRITES)),
    (
        "unable to open",
        (
            StorageError,
            "the database file cannot be opened: check permissions, also those of its folder",
        ),
    ),
    ("disk I/O", (StorageError, "the disk fails to read the database file: have it checked")),
    ("locked", (UnavailableError, BUSY)),
    ("not a database", (ConfigurationError, "the file is not a SQLite database")),
    ("disk image is malformed", (DataRefusedError, "the database file is damaged")),
    ("malformed", BY_CLASS["22"]),
    ("overflow", BY_CLASS["22"]),
    ("misuse of", BY_STATE["42601"]),
    ("aggregate functions are not allowed", BY_STATE["42601"]),
    ("decode to UTF-8", (DataRefusedError, "a text of the database is not UTF-8")),
)
# PostgreSQL words these like a refused login, but accepts the login later.
COMING_OR_GOING = ("starting up", "shutting down", "recovery mode", "too many", "remaining conn")


def explain(error: SQLAlchemyError, source: str, variable: str) -> PipelineError:
    """Return the error that says in one line what the database refuses, and what to do."""
    kind, reason = _meaning(error)
    return kind(f"source {source}: {reason} ({variable})")


def _meaning(error: SQLAlchemyError) -> Meaning:
    if not isinstance(error, DBAPIError):
        return ConfigurationError, "the query cannot be run"
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if known := BY_STATE.get(state) or BY_CLASS.get(state[:2]):
        return known
    if state:
        return ConfigurationError, f"the database refuses the query (SQLSTATE {state})"
    return _by_words(str(error.orig)) or _by_kind(error)


def _by_words(text: str) -> Meaning | None:
    if any(words in text for words in COMING_OR_GOING):
        return None
    # If several addresses were tried, the refusal of the last one counts.
    last = text.rpartition("FATAL:")[2]
    return next((meaning for words, meaning in BY_WORDS if words in last), None)


def _by_kind(error: DBAPIError) -> Meaning:
    if isinstance(error, ProgrammingError):
        return ConfigurationError, "the database refuses the query"
    if isinstance(error, DataError):
        return BY_CLASS["22"]
    if type(error.orig).__module__ == "sqlite3":
        # A file is there or not: what remains is the query's fault.
        return ConfigurationError, "the database refuses the query"
    return UnavailableError, GONE
