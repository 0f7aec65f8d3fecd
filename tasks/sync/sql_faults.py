"""Where a sync's SQL fails: the column and the row, and the function that would not fail.

DuckDB's message names neither, and quotes the value. So the SELECT is run again: column by column,
and then over fewer and fewer rows of its sources.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb

from connectors.quoting import quoted_name
from tasks.sync.pull import PulledSource

_ADVICE: Final = (
    (re.compile("according to format specifier|Date out of range"), "try_strptime"),
    (re.compile("when casting|Could not (convert|cast)"), "TRY_CAST"),
)
_OTHERWISE: Final = "TRY(…) around it"


@dataclass(frozen=True, slots=True)
class SelectFault:
    """Which column of a SELECT fails, on which rows of its sources, and what would not fail there.

    `message` is DuckDB's, which quotes the value: it must not be shown.
    """

    what: str
    rows: tuple[str, ...]
    message: str = field(repr=False)

    @property
    def place(self) -> str:
        """What fails where, in words."""
        return f"{self.what} fails on {' with '.join(self.rows) or 'a row'}"

    @property
    def advice(self) -> str:
        """The function that gives null there."""
        # What follows quotes the statement.
        said = self.message.partition("\n\n")[0]
        return next((advice for form, advice in _ADVICE if form.search(said)), _OTHERWISE)


def find_fault(
    database: duckdb.DuckDBPyConnection,
    columns: Mapping[str, str],
    selected: str,
    sources: Mapping[str, PulledSource],
    read: Callable[[PulledSource], str],
) -> SelectFault | None:
    """Find out why a SELECT fails; None if it does not fail any more.

    Args:
        database: where each source is a view; the views are replaced.
        columns: by what is said about a column, its expression.
        selected: the SELECT, to stand behind FROM.
        sources: the sources, by name.
        read: returns the SQL that reads a source.
    """

    def error_of(expression: str) -> str | None:
        try:
            database.execute(f"SELECT count({expression}) FROM {selected}").fetchall()  # noqa: S608 - SQL of the sync's own
        except duckdb.Error as error:
            return str(error)
        return None

    errors = {name: error_of(expression) for name, expression in columns.items()}
    failing = {name: error for name, error in errors.items() if error is not None}
    if not failing:
        return None
    name, message = next(iter(failing.items()))
    # Columns that are not read are not computed: only a condition fails them all.
    is_condition = len(failing) == len(columns) > 1
    rows = _rows(database, sources, read, lambda: error_of(columns[name]) is not None)
    return SelectFault("a condition or join" if is_condition else name, tuple(rows), message)


def _rows(
    database: duckdb.DuckDBPyConnection,
    sources: Mapping[str, PulledSource],
    read: Callable[[PulledSource], str],
    fails: Callable[[], bool],
) -> list[str]:
    """Return the rows that have to be there for the SELECT to fail, counted from 1 as pulled."""
    found = []
    for name, source in sources.items():
        view = f"CREATE OR REPLACE VIEW {quoted_name(name)} AS FROM {read(source)}"

        def limited(rows: int, view: str = view) -> bool:
            database.execute(f"{view} LIMIT {rows}")
            return fails()

        if limited(0):
            # It fails without any row of this source.
            continue
        good, bad = 0, source.rows
        if not limited(bad):
            continue
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if limited(middle) else (middle, bad)
        database.execute(f"{view} LIMIT 1 OFFSET {bad - 1}")
        if not fails():
            # It takes other rows of the source too.
            limited(bad)
        found.append(f"row {bad:,} of {name}")
    return found
