"""`nxp rejects`: which rows did not land, and why."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import load_dataset
from connectors.lake import Lake
from connectors.rejects import RejectFile, reject_files
from connectors.settings import load_settings
from connectors.tenants import tenant_name
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say

RunId = Annotated[str | None, Parameter(name="--run", help="Of one run only.")]


def rejects(
    dataset: str,
    *,
    run: RunId = None,
    raw: Annotated[
        bool, Parameter(negative="", help="Also show the rows' text: personal data.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the rejected rows of DATASET by run and unit, with all reasons.

    `current` are those of the run whose rows are landed: they can be replayed. `superseded` are
    those of units that landed anew since, `not landed` those of units that have nothing landed.
    """
    settings = load_settings()
    load_dataset(settings.catalog, dataset)
    lake = Lake(settings.lake, tenant_name(settings, tenant))
    manifest = lake.manifest(dataset)
    owners = {entry.unit: entry.run_id for entry in manifest.entries} if manifest else {}
    rows = [
        row
        for file in reject_files(lake, dataset, run)
        for row in _rows(file, owners.get(file.unit), with_raw=raw)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[_shown(value) for value in row.values()] for row in rows])
    current = sum(row["state"] == "current" for row in rows)
    say(f"{len(rows)} rejected rows, {current} of them current: nxp replay lands what fits now")


def _rows(file: RejectFile, owner: str | None, *, with_raw: bool) -> list[dict[str, Any]]:
    state = "not landed" if owner is None else "superseded"
    found = file.rows()
    texts = file.raw() if with_raw else []
    rows: list[dict[str, Any]] = [
        {
            "run_id": file.run_id,
            "state": "current" if owner == file.run_id else state,
            "unit": file.unit,
            "record": reject.record,
            "reasons": list(reject.reasons),
        }
        for reject in found
    ]
    return [row | {"raw": text} for row, text in zip(rows, texts, strict=True)] if texts else rows


def _shown(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list) else value
