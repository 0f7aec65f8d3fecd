"""`nxp rejects`: which rows did not land, and why."""

import re
from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import load_dataset
from connectors.errors import UsageError
from connectors.lake import Lake
from connectors.lake.rejects import RejectFile, reject_files
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Json, Tenant, dataset_names
from nxp.output import print_json, print_table, say

CURRENT, LATEST = "current", "latest"
# How many records of a reason are named.
SHOWN = 5
NAME = re.compile(r"\w+")

RunId = Annotated[str | None, Parameter(name="--run", help="List those of one run only.")]


def rejects(
    dataset: Annotated[
        str, Parameter(completer=dataset_names, help="A dataset or a sync of the catalogue.")
    ],
    *,
    run: RunId = None,
    rows: Annotated[
        bool, Parameter(negative="", help="List the rows one by one, not only their reasons.")
    ] = False,
    raw: Annotated[
        bool, Parameter(negative="", help="Also show the rows as text: personal data.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Count the rejected rows of DATASET, or the refused rows of a sync, by column and reason.

    --rows, --raw and --json list the rows themselves, each with all its reasons.

    `current` rows come from the run whose rows are in the lake, and can be replayed. `superseded`
    rows come from units that have landed again since, `not landed` rows from units that have not
    landed at all. For a sync, `latest` rows come from the last run that refused any.
    """
    settings = load_settings()
    is_sync = _is_sync(settings, dataset)
    lake = Lake(settings.lake, tenant_name(settings, tenant))
    found = [
        row
        for file, state in _files(lake, dataset, run, is_sync=is_sync)
        for row in _rows(file, state, with_raw=raw)
    ]
    if as_json:
        print_json([row | {"columns": _columns(row["reasons"])} for row in found])
    elif found and (rows or raw):
        print_table(list(found[0]), [[_shown(value) for value in row.values()] for row in found])
    elif found:
        print_table(
            ["rows", "state", "column", "reason", "first records", "latest run"], _counted(found)
        )
    if is_sync:
        latest = sum(row["state"] == LATEST for row in found)
        say(f"{len(found)} rejected, {latest} of them by the latest run: --raw shows what they are")
        return
    current = sum(row["state"] == CURRENT for row in found)
    say(f"{len(found)} rejected rows, {current} of them current: nxp replay lands what fits now")


def _files(
    lake: Lake, name: str, run: str | None, *, is_sync: bool
) -> list[tuple[RejectFile, str]]:
    """Return the files of rejects, each with the state of its rows."""
    files = reject_files(lake, name, run)
    if is_sync:
        newest = max(files, key=lambda file: file.unit).run_id if files else None
        return [(file, LATEST if file.run_id == newest else "earlier") for file in files]
    manifest = lake.manifest(name)
    owners = {entry.unit: entry.run_id for entry in manifest.entries} if manifest else {}
    return [(file, _state(file, owners.get(file.unit))) for file in files]


def _counted(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Return, by state and reason, how many rows there are, the first of them and the latest run.

    A row with several reasons counts once for each.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        for reason in row["reasons"]:
            groups.setdefault((row["state"], reason), []).append(row)
    most_first = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        [
            len(group),
            state,
            _column(reason),
            reason,
            _first([row["record"] for row in group]),
            max(group, key=lambda row: row["unit"])["run_id"],
        ]
        for (state, reason), group in most_first
    ]


def _column(reason: str) -> str:
    """Return the column that a reason begins with: a landed name, or a code of the tenant."""
    column, colon, _ = reason.partition(": ")
    return column if colon and NAME.fullmatch(column) else ""


def _columns(reasons: list[str]) -> list[str]:
    return sorted({column for reason in reasons if (column := _column(reason))})


def _first(records: list[int | None]) -> str:
    """Return the numbers of the first records; they are unknown after a damaged row."""
    known = [str(record) for record in records if record is not None]
    return ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")


def _is_sync(settings: Settings, name: str) -> bool:
    """Return whether a name is that of a sync and not of a dataset.

    Raises:
        UsageError: there is neither.
    """
    try:
        load_dataset(settings.catalog, name)
    except UsageError:
        from connectors.syncs import read_syncs  # noqa: PLC0415 - polars, not for datasets

        if name not in read_syncs(settings.catalog).names:
            raise
        return True
    return False


def _state(file: RejectFile, owner: str | None) -> str:
    if owner is None:
        return "not landed"
    return CURRENT if owner == file.run_id else "superseded"


def _rows(file: RejectFile, state: str, *, with_raw: bool) -> list[dict[str, Any]]:
    found = file.rows()
    texts = file.raw() if with_raw else []
    rows: list[dict[str, Any]] = [
        {
            "run_id": file.run_id,
            "state": state,
            "unit": file.unit,
            "record": reject.record,
            "reasons": list(reject.reasons),
        }
        for reject in found
    ]
    return [row | {"raw": text} for row, text in zip(rows, texts, strict=True)] if texts else rows


def _shown(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list) else value
