"""Telling from an error of DuckDB that a dataset has landed with different types of a column."""

import re
from typing import Final

from connectors.errors import UsageError

_MIXED: Final = re.compile(
    r'"(?:[^"]*/)?(?P<dataset>[a-z][a-z0-9_]*)/(?:date|snapshot)=[^/"]*/[^/"]*\.parquet": '
    r'failed to cast column "(?P<column>[^"]+)" from type (?P<old>.+?) to (?P<new>.+?): '
)


def mixed_types(error: Exception) -> UsageError | None:
    """Return what to do about files whose types of a column have none in common.

    Returns:
        The error to raise, without any value of a row; None if the error is about something else.
    """
    found = _MIXED.search(str(error))
    if found is None:
        return None
    dataset = found["dataset"]
    return UsageError(
        f"SQL: {dataset}: its column {found['column']} has landed as {found['old']} and as "
        f"{found['new']}: run nxp lake rewrite {dataset}, which brings all files to the type that "
        "is declared now, or select other columns"
    )
