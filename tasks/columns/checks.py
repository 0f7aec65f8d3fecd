"""Running the declared checks on a unit's staged files, before they are published.

All checks share one streaming pass over the files, which reads only the columns they name.
Uniqueness compares 64-bit hashes: equal rows have equal hashes, so a repeated row is never missed,
and a first finding is confirmed by a second, independent hash.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from connectors.catalogue import (
    AllowedCheck,
    Check,
    ColumnType,
    DatasetSpecification,
    FreshCheck,
    NotNullCheck,
    RowsCheck,
    Severity,
    UniqueCheck,
)
from connectors.catalogue.specification import describe

# More declared values than this are counted, not listed, in a message.
VALUES_LISTED = 5
ANOTHER_SEED = 1

Observed = Mapping[str, int | float | None]
Read = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: `check` in words, `observed` in counts, never a value of a row."""

    check: str
    severity: Severity
    passed: bool
    observed: Observed

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {_number(value)}" for name, value in self.observed.items())
        return f"{self.check} ({counts})"


@dataclass(frozen=True, slots=True)
class _Probe:
    """What a check reads in the pass, and how it judges what was read.

    `again` is a second reading, made only if the first one finds fault.
    """

    check: str
    reads: Mapping[str, pl.Expr]
    judge: Callable[[Read, int], tuple[bool, Observed]]
    again: Mapping[str, pl.Expr] | None = None


def run_checks(
    files: Sequence[Path], specification: DatasetSpecification, *, rows: int, exported_at: datetime
) -> list[CheckResult]:
    """Run the dataset's checks on staged Parquet files; a unit without rows may have no files.

    Args:
        files: the unit's staged files.
        specification: the dataset.
        rows: how many rows the files have.
        exported_at: the time of the data; freshness is measured from it.
    """
    probes = [_probe(check, specification, exported_at) for check in specification.checks]
    read = _read(files, {i: probe.reads for i, probe in enumerate(probes)}) if rows else {}
    results = []
    for i, (check, probe) in enumerate(zip(specification.checks, probes, strict=True)):
        passed, observed = probe.judge(read.get(i, {}), rows)
        if not passed and probe.again:
            passed, observed = probe.judge(_read(files, {i: probe.again})[i], rows)
        results.append(CheckResult(probe.check, check.severity, passed, observed))
    return results


def blocking(results: Sequence[CheckResult]) -> str | None:
    """Return in one line why nothing may be published; None if nothing blocks."""
    found = [str(result) for result in results if _is_broken(result, Severity.BLOCK)]
    return "; ".join(found) or None


def warnings(results: Sequence[CheckResult]) -> list[str]:
    """Return the failed checks that do not block."""
    return [str(result) for result in results if _is_broken(result, Severity.WARN)]


def _is_broken(result: CheckResult, severity: Severity) -> bool:
    return not result.passed and result.severity is severity


def _read(
    files: Sequence[Path], reads: Mapping[int, Mapping[str, pl.Expr]]
) -> dict[int, dict[str, Any]]:
    """Read everything that the probes need in one pass."""
    expressions = [
        expression.alias(f"{i}.{name}")
        for i, wanted in reads.items()
        for name, expression in wanted.items()
    ]
    if not expressions:
        return {}
    frame = pl.scan_parquet(list(files), hive_partitioning=False)
    row = frame.select(expressions).collect(engine="streaming").row(0, named=True)
    return {i: {name: row[f"{i}.{name}"] for name in wanted} for i, wanted in reads.items()}


def _probe(check: Check, specification: DatasetSpecification, exported_at: datetime) -> _Probe:
    match check:
        case RowsCheck():
            return _rows(check)
        case NotNullCheck():
            return _not_null(check)
        case UniqueCheck():
            return _unique(check)
        case FreshCheck():
            return _fresh(check, exported_at)
        case AllowedCheck():
            return _allowed(check, specification)


def _rows(check: RowsCheck) -> _Probe:
    words = f"at least {check.min:,} rows"
    if check.max is not None:
        words = f"from {check.min:,} to {check.max:,} rows"

    def judge(_: Read, rows: int) -> tuple[bool, Observed]:
        passed = check.min <= rows and (check.max is None or rows <= check.max)
        return passed, {"rows": rows}

    return _Probe(words, {}, judge)


def _not_null(check: NotNullCheck) -> _Probe:
    def judge(read: Read, rows: int) -> tuple[bool, Observed]:
        nulls = read.get("nulls", 0)
        return nulls <= check.max_share * rows, {"nulls": nulls, "rows": rows}

    share = f"null in at most {check.max_share:.4g} of the rows" if check.max_share else "not null"
    return _Probe(f"{check.column} is {share}", {"nulls": pl.col(check.column).null_count()}, judge)


def _unique(check: UniqueCheck) -> _Probe:
    def distinct(seed: int) -> dict[str, pl.Expr]:
        return {"distinct": pl.struct(check.columns).hash(seed).n_unique()}

    def judge(read: Read, rows: int) -> tuple[bool, Observed]:
        repeated = rows - read.get("distinct", rows)
        return not repeated, {"repeated rows": repeated, "rows": rows}

    words = f"{' and '.join(check.columns)} {'are' if len(check.columns) > 1 else 'is'} unique"
    return _Probe(words, distinct(0), judge, distinct(ANOTHER_SEED))


def _fresh(check: FreshCheck, exported_at: datetime) -> _Probe:
    def judge(read: Read, rows: int) -> tuple[bool, Observed]:
        if not rows:
            return True, {"rows": 0}
        if read["newest"] is None:
            return False, {"values": 0, "rows": rows}
        age = (exported_at - read["newest"]).total_seconds()
        return age <= check.within.total_seconds(), {"age in seconds": round(age)}

    words = f"the newest {check.column} is at most {describe(check.within)} old"
    return _Probe(words, {"newest": pl.col(check.column).max()}, judge)


def _allowed(check: AllowedCheck, specification: DatasetSpecification) -> _Probe:
    def judge(read: Read, rows: int) -> tuple[bool, Observed]:
        others = read.get("others", 0)
        return not others, {"rows with another": others, "rows": rows}

    column = pl.col(check.column)
    values = list(check.values)
    other = ~column.cast(pl.String).is_in(values)
    if ColumnType.LIST in {c.type for c in specification.known_columns if c.name == check.column}:
        other = column.list.drop_nulls().list.set_difference(pl.lit(values)).list.len() > 0
    listed = ", ".join(values) if len(values) <= VALUES_LISTED else f"{len(values)} declared values"
    return _Probe(f"{check.column} is one of {listed}", {"others": other.sum()}, judge)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,}"
