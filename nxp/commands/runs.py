"""`nxp runs`: what ran, and how it ended."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue import ACTIONS, SYNCS, load_dataset
from connectors.errors import UsageError
from connectors.ledger import open_ledger
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Json, Tenant, Whole, dataset_names
from nxp.output import at_second, print_json, print_table

SHOWN = ("started_at", "dataset", "trigger", "state", "units", "rows_landed", "run_id", "error")


def runs(
    dataset: Annotated[
        str | None, Parameter(completer=dataset_names, help="A dataset, sync or action.")
    ] = None,
    *,
    limit: Annotated[Whole, Parameter(help="How many to list.")] = 20,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first: of one dataset, sync or action, or of all."""
    if limit < 1:
        raise UsageError("--limit: must be 1 or more")
    settings = load_settings()
    name = tenant_name(settings, tenant)
    with open_ledger(settings.ledger_url.get_secret_value(), name) as ledger:
        found = ledger.runs(dataset, limit)
    if dataset and not found and not _is_in_catalogue(settings.catalog, dataset):
        # A name without runs that is not in the catalogue either is a mistake.
        load_dataset(settings.catalog, dataset)
    if as_json:
        print_json(found)
    else:
        shown = list(SHOWN)
        if any(run["rows_filtered"] for run in found):
            shown.insert(shown.index("rows_landed") + 1, "rows_filtered")
        print_table(shown, [[at_second(run[field]) for field in shown] for run in found])


def _is_in_catalogue(catalog: Path, name: str) -> bool:
    return any((catalog / kind / f"{name}.yaml").is_file() for kind in (SYNCS, ACTIONS))
