"""What the errors of the ledger's database mean, in one line that quotes no row."""

from typing import Final

from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from connectors.databases.sqlite_failures import Meaning, folder_meaning, sqlite_meaning
from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)

VARIABLE: Final = "NXP_LEDGER_URL"
# PostgreSQL's, by SQLSTATE.
_BY_STATE: Final[dict[str, Meaning]] = {
    "53100": (StorageError, ": its database's disk is full: free some space there"),
    "25006": (StorageError, f": its database is read-only: name the primary in {VARIABLE}"),
}


def unusable(url: URL, error: BaseException) -> PipelineError:
    """Return the error to raise if a ledger cannot be opened or brought up to date."""
    # Its options may hold a password too.
    shown = url.set(query={}).render_as_string(hide_password=True)
    if known := _meaning(error):
        kind, words = known
        said = f" ({VARIABLE})" if kind is ConfigurationError else ""
        return kind(f"cannot open the ledger {shown}{words}{said}; nothing was started")
    return ConfigurationError(
        f"cannot open the ledger {shown}: {str(error).splitlines()[0]}: check that it "
        f"answers, or correct {VARIABLE}; nothing was started"
    )


def failure(error: BaseException | None) -> PipelineError | None:
    """Return the error to raise for one of SQLAlchemy's during a run, None for a bug of ours."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    if known := _meaning(error.orig):
        kind, words = known
        return kind(f"the ledger cannot be used{words}; published data stays")
    if isinstance(error, DataError):
        state = getattr(error.orig, "sqlstate", None) or "none"
        return DataRefusedError(
            f"the ledger's database cannot hold a text (SQLSTATE {state}): move the ledger to a "
            "database with the encoding UTF8 (docs/deployment.md); nothing was saved"
        )
    if isinstance(error, OperationalError):
        reason = str(error.orig).splitlines()[0]
        return UnavailableError(
            f"the ledger cannot be used ({reason}): run again when it can; published data stays"
        )
    return None


def copy_failure(error: BaseException) -> PipelineError | None:
    """Return the error to raise for one of the driver's own, None if it is not known."""
    known = _meaning(error)
    return known[0](f"the ledger cannot be used{known[1]}; nothing was saved") if known else None


def _meaning(error: BaseException) -> Meaning | None:
    if isinstance(error, OSError):
        return folder_meaning(error)
    state = getattr(error, "sqlstate", None)
    if state:
        return _BY_STATE.get(state)
    # Of sqlite3: a class of PostgreSQL's driver without a state has never reached a server.
    return sqlite_meaning(str(error)) if type(error).__module__ == "sqlite3" else None
