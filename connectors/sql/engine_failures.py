"""What the errors of drivers that SQLAlchemy uses mean, in one line without a value.

The database's own message is not repeated, because it quotes rows: only the names of columns and
constraints are taken from it.
"""

import re
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)
from connectors.sql.failures import AS_IT_WAS, explain_state, lost

Meaning = tuple[type[PipelineError], str]

_LOCKED: Final = " is locked by another session: try again"
_PERMISSION: Final = ": the database's user lacks a permission (docs/sql.md lists them)"
_FULL: Final = ": the database's disk is full"
_READ_ONLY: Final = ": the database is read-only"
_STOPPED: Final = ": the load was stopped by a limit of time (max_statement_time): raise it"
_WIDE: Final = (
    ": its columns are more than a row of this database can have: leave some out, or divide "
    "the query"
)
MYSQL: Final[dict[int, Meaning]] = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370, 1410), (StorageError, _PERMISSION)),
    **dict.fromkeys((1205, 1213), (UnavailableError, _LOCKED)),
    **dict.fromkeys((1317, 1969, 3024), (UnavailableError, _STOPPED)),
    **dict.fromkeys((1021, 1030, 1114), (StorageError, _FULL)),
    **dict.fromkeys((1290, 1792, 1836), (StorageError, _READ_ONLY)),
    **dict.fromkeys((1117, 1118), (ConfigurationError, _WIDE)),
    3750: (
        ConfigurationError,
        ": the server wants a primary key of every table: turn sql_require_primary_key off",
    ),
}
_MYSQL_LOST: Final = frozenset({1040, 1053, 1203, 1927, 2002, 2003, 2006, 2013, 2014, 2055})
_MYSQL_CONSTRAINT: Final = frozenset({1022, 1062, 1169, 1451, 1452, 1644, 3819, 4025})
_MYSQL_NULL: Final = frozenset({1048, 1364})
_MYSQL_VALUE: Final = frozenset({1264, 1265, 1292, 1366, 1367, 1406, 1411})
# After the last quoted value of the message.
_COLUMN: Final = re.compile(r"(?:for column|^Column|^Field) [`'](?:\w+[`']\.[`'])*(\w+)[`']")
_KEY: Final = re.compile(r"(?:for key|^CONSTRAINT) [`']([\w.]+)[`']")


def explain_engine(error: SQLAlchemyError, table: str) -> PipelineError:  # noqa: PLR0911 - a list of cases
    """Return the error to raise if a statement fails."""
    if not isinstance(error, DBAPIError):
        return ConfigurationError(f"{table}: the database refuses a statement; {AS_IT_WAS}")
    code, text = _mysql(error)
    if code:
        return _by_code(code, text, table)
    if state := getattr(error.orig, "sqlstate", None):
        return explain_state(str(state), error.orig, table)
    if error.connection_invalidated or isinstance(error, OperationalError):
        return lost(table)
    if isinstance(error, IntegrityError):
        return _constraint("a constraint", table)
    if isinstance(error, DataError):
        return _value("a column", table)
    return ConfigurationError(f"{table}: the database refuses a statement; {AS_IT_WAS}")


def explain_engine_connecting(error: SQLAlchemyError, shown: str) -> PipelineError:
    """Return the error to raise if connecting fails."""
    orig = getattr(error, "orig", None)
    code, text = _mysql(error) if isinstance(error, DBAPIError) else (0, "")
    words = f"{text} {orig}"
    if code in {1044, 1045, 1698} or "authentication failed" in words:
        return ConfigurationError(
            f"NXP_DATABASE_URL: {shown} refuses the user: check user, password and database"
        )
    if code == 1049:  # noqa: PLR2004 - a number of MySQL
        return ConfigurationError(f"NXP_DATABASE_URL: there is no database at {shown}: create it")
    if "Name or service not known" in words or "getaddrinfo" in words:
        return ConfigurationError(f"NXP_DATABASE_URL: the host of {shown} is not known")
    if code in _MYSQL_LOST or isinstance(error, OperationalError):
        return UnavailableError(
            f"NXP_DATABASE_URL: no database answers at {shown}: try again when it runs"
        )
    return ConfigurationError(
        f"NXP_DATABASE_URL: cannot connect to {shown}: check host, port and options"
    )


def _mysql(error: DBAPIError) -> tuple[int, str]:
    """Return number and message of an error of MySQL, 0 for another database's."""
    match getattr(error.orig, "args", ()):
        case (int(code), str(text), *_):
            return code, text
    return 0, ""


def _by_code(code: int, text: str, table: str) -> PipelineError:
    if known := MYSQL.get(code):
        kind, reason = known
        return kind(f"{table}{reason}; {AS_IT_WAS}")
    if code in _MYSQL_LOST:
        return lost(table)
    column = _COLUMN.findall(text)
    if code in _MYSQL_CONSTRAINT:
        name = _KEY.findall(text)
        return _constraint(f"constraint {name[-1]}" if name else "a constraint", table)
    if code in _MYSQL_NULL and column:
        return _constraint(f"column {column[-1]}, which is NOT NULL", table)
    if code in _MYSQL_VALUE:
        return _value(f"column {column[-1]}" if column else "a column", table)
    return ConfigurationError(
        f"{table}: the database refuses a statement (error {code}); {AS_IT_WAS}"
    )


def _constraint(broken: str, table: str) -> DataRefusedError:
    return DataRefusedError(
        f"{table}: rows break {broken} of the table: change it, or the query; {AS_IT_WAS}"
    )


def _value(where: str, table: str) -> DataRefusedError:
    return DataRefusedError(
        f"{table}: {where} holds a value that its type does not allow: declare it as string, or "
        f"correct the query; {AS_IT_WAS}"
    )
