"""The report of a run: counts, bytes and seconds, for the terminal, `_runs`, ledger and UI.

It holds no row's values, because its readers may not be allowed to read the data.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connectors.counting import number_of
from tasks.runs.artifact import ARTIFACT_ROWS

# How reports say what is in doubt, by the field that lists it.
_WORDS = {
    "expired": "are expired, no row of them can come any more",
    "partial": "are partial, the tenant may have forgotten their beginning",
    "unproven": "are unproven, the tenant may have forgotten all their rows",
    "empty": "were empty where their neighbours have thousands of rows",
}


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended. `state` is landed, partly or failed; bytes are as received and as read.

    `units` of the `planned` ones have landed. No row of the `expired` windows can come any more.
    The tenant may have forgotten the beginning of the `partial` ones. The `unproven` ones had no
    rows, at an age at which the tenant may have forgotten them. The `empty` ones had none where
    their neighbours have thousands.
    """

    run_id: str
    tenant: str
    dataset: str
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime
    planned: int
    units: int
    calls: int
    rows_read: int
    rows_landed: int
    rows_rejected: int
    rows_outside: int
    rows_filtered: int
    duplicates: int
    repeated_hour: int
    wire_bytes: int
    csv_bytes: int
    parquet_bytes: int
    folder: str
    watermark: datetime | None
    error: str | None
    seconds: dict[str, float]
    expired: list[str]
    partial: list[str]
    unproven: list[str]
    empty: list[str]
    failures: list[dict[str, str]]
    outcomes: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """Return the report as a dictionary; date-times stay objects."""
        return asdict(self)


def summary(report: RunReport) -> str:
    """Return how a run ended in a few words, for an operator who sees one line."""
    if not report.planned:
        return f"{report.dataset} {report.state}: nothing to land"
    rejected = f", {report.rows_rejected:,} rejected" if report.rows_rejected else ""
    filtered = f", {report.rows_filtered:,} filtered" if report.rows_filtered else ""
    empty = f", {len(report.empty):,} windows were empty" if report.empty else ""
    return (
        f"{report.dataset} {report.state}: {report.units:,} of {report.planned:,} windows, "
        f"{number_of(report.rows_landed, 'row')}{rejected}{filtered}{empty}"
    )


def markdown(report: RunReport) -> str:
    """Return a report as Markdown for the Prefect UI."""
    lines = [
        f"# {report.dataset}: {report.state}",
        "",
        (
            f"{report.units} of {report.planned} units, {report.rows_landed:,} rows landed, "
            f"{report.rows_rejected:,} rejected, {report.rows_outside:,} outside the window, "
            f"{report.rows_filtered:,} filtered, of {report.rows_read:,} read. "
            f"Run `{report.run_id}` of tenant `{report.tenant}`."
        ),
        "",
        "| unit | landed | rejected | received | Parquet | seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        (
            f"| {row['unit']} | {row['rows_landed']:,} | {row['rows_rejected']:,} | "
            f"{row['wire_bytes']:,} B | {row['parquet_bytes']:,} B | "
            f"{sum(row['seconds'].values()):.1f} |"
        )
        for row in report.outcomes[:ARTIFACT_ROWS]
    ]
    if len(report.outcomes) > ARTIFACT_ROWS:
        lines += ["", f"… and {len(report.outcomes) - ARTIFACT_ROWS:,} more: nxp datasets NAME"]
    lines += ["", *(f"- {row['unit']}: {row['error']}" for row in report.failures[:ARTIFACT_ROWS])]
    warned = [(row["unit"], text) for row in report.outcomes for text in row["warnings"]]
    lines += ["", *(f"- warning, {unit}: {text}" for unit, text in warned[:ARTIFACT_ROWS])]
    for word, why in _WORDS.items():
        if names := getattr(report, word):
            lines += ["", f"**{len(names)} windows {why}, from {names[0]} on.**"]
    return "\n".join(lines)
