"""`nxp rejects`: which rows did not land, and why."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import load_dataset
from connectors.errors import UsageError
from connectors.lake import Lake
from connectors.lake.rejects import RejectFile, reject_files
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say

CURRENT, LATEST = "current", "latest"

RunId = Annotated[str | None, Parameter(name="--run", help="List those of one run only.")]


def rejects(
    dataset: str,
    *,
    run: RunId = None,
    raw: Annotated[
        bool, Parameter(negative="", help="Also show the rows as text: personal data.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the rejected rows of DATASET, or the refused rows of a sync, with all reasons.

    `current` rows come from the run whose rows are in the lake, and can be replayed. `superseded`
    rows come from units that have landed again since, `not landed` rows from units that have not
    landed at all. For a sync, `latest` rows come from the last run that refused any.
    """
    settings = load_settings()
    is_sync = _is_sync(settings, dataset)
    lake = Lake(settings.lake, tenant_name(settings, tenant))
    files = reject_files(lake, dataset, run)
    if is_sync:
        newest = max(files, key=lambda file: file.unit).run_id if files else None
        states = [LATEST if file.run_id == newest else "earlier" for file in files]
    else:
        manifest = lake.manifest(dataset)
        owners = {entry.unit: entry.run_id for entry in manifest.entries} if manifest else {}
        states = [_state(file, owners.get(file.unit)) for file in files]
    rows = [
        row
        for file, state in zip(files, states, strict=True)
        for row in _rows(file, state, with_raw=raw)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[_shown(value) for value in row.values()] for row in rows])
    if is_sync:
        latest = sum(row["state"] == LATEST for row in rows)
        say(f"{len(rows)} rejected, {latest} of them by the latest run: --raw shows what they are")
        return
    current = sum(row["state"] == CURRENT for row in rows)
    say(f"{len(rows)} rejected rows, {current} of them current: nxp replay lands what fits now")


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
