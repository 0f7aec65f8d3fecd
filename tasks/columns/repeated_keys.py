"""Rows of one unit that have the key of another row: counted while they pass.

Only hashes of keys are kept, of 64 bits: equal keys have equal ones, so a repeated key is never
missed, and a finding is confirmed with the staged files. A unit with more rows than MOST_ROWS is
not looked at, since memory is bounded for any number of rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from connectors.catalogue import DatasetSpecification, Severity, UniqueCheck
from connectors.counting import number_doing
from tasks.columns.checks import run_checks

# Only a check of freshness looks at the time of the export.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
# Their hashes take 16 MB.
MOST_ROWS: Final = 2_000_000


class KeyCount:
    """Counts the distinct keys of a unit's rows, batch by batch.

    Args:
        specification: has the key.
        most: units with more rows are not looked at.
    """

    def __init__(self, specification: DatasetSpecification, most: int = MOST_ROWS) -> None:
        self._most = most
        self._columns = _watched(specification)
        self._hashes: list[pl.Series] = []
        self._rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take in the keys of a batch."""
        self._rows += len(rows)
        if self._rows > self._most:
            self._hashes.clear()
        elif self._columns and len(rows):
            self._hashes.append(rows.select(self._columns).hash_rows())

    def may_repeat(self, rows: int) -> bool:
        """Return whether fewer keys came than rows have landed."""
        return bool(self._hashes) and pl.concat(self._hashes).n_unique() < rows


def repeated_keys(files: Sequence[Path], specification: DatasetSpecification, rows: int) -> int:
    """Return how many rows of a unit's staged files have the key of another row before them.

    It is 0 for a dataset without a key, or with a `unique` check that judges its key anyway.
    """
    columns = _watched(specification)
    if not columns:
        return 0
    check = UniqueCheck(check="unique", columns=columns, severity=Severity.WARN)
    alone = specification.model_copy(update={"checks": (check,)})
    (result,) = run_checks(files, alone, rows=rows, exported_at=_NEVER)
    return int(result.observed["repeated rows"] or 0)


def warning_of(repeated: int, rows: int, specification: DatasetSpecification) -> str:
    """Return the warning about repeated keys: counts, and never a key."""
    return (
        f"{number_doing(repeated, 'row', 'has', 'have')} the key of another row "
        f"({', '.join(specification.key_columns)}), of {rows:,}: all have landed; a unique check "
        "refuses such a unit"
    )


def _watched(specification: DatasetSpecification) -> tuple[str, ...]:
    """Return the key, unless a declared check judges that it is unique."""
    key = specification.key_columns
    judged = any(
        isinstance(check, UniqueCheck) and set(check.columns) <= set(key)
        for check in specification.checks
    )
    return () if judged else key
