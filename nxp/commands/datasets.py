"""`nxp datasets`: what the catalogue has, and how far each dataset is."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification, load_dataset, load_datasets, query_path
from connectors.errors import ConfigurationError, UsageError
from connectors.ledger import DROPPED, Ledger, UnitRecord, open_ledger
from connectors.settings import Settings, load_settings
from connectors.tenants import tenant_name
from nxp.options import Json, Tenant
from nxp.output import at_second, print_json, print_table


def datasets(
    name: str | None = None,
    *,
    nql: Annotated[
        bool, Parameter(negative="", help="Print the saved query to paste into Nexthink.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List all datasets with freshness, rows and last error; with a NAME its units."""
    settings = load_settings()
    if nql:
        _print_query(settings, name, as_json=as_json)
        return
    found = load_datasets(settings.catalog)
    chosen = [load_dataset(settings.catalog, name)] if name else list(found.values())
    ledger = _ledger(settings, tenant)
    try:
        if name:
            _print_units(ledger.units(name) if ledger else [], as_json=as_json)
        else:
            rows = [_row(item, ledger) for item in chosen]
            _print(rows, as_json=as_json)
    finally:
        if ledger:
            ledger.close()


def _print_query(settings: Settings, name: str | None, *, as_json: bool) -> None:
    if name is None:
        raise UsageError("--nql needs the NAME of a dataset")
    specification = load_dataset(settings.catalog, name)
    queries = [
        {"query_id": query_id, "nql": query_path(settings.catalog, query_id).read_text("utf-8")}
        for query_id in specification.query_ids()
    ]
    if as_json:
        print_json(queries if len(queries) > 1 else queries[0])
        return
    for query in queries:
        if len(queries) > 1:
            print(f"/* {query['query_id']} */")
        print(query["nql"], end="\n" if len(queries) > 1 else "")


def _ledger(settings: Settings, tenant: str | None) -> Ledger | None:
    """Open the ledger where a tenant is known; a list of the catalogue needs none."""
    try:
        name = tenant_name(settings, tenant)
    except ConfigurationError:
        if tenant:
            raise
        return None
    return open_ledger(settings.ledger_url.get_secret_value(), name)


def _row(specification: DatasetSpecification, ledger: Ledger | None) -> dict[str, Any]:
    units = ledger.units(specification.dataset) if ledger else []
    mark = ledger.marks.watermark(specification.dataset) if ledger else None
    landed = [unit for unit in units if unit.landed_at and unit.state != DROPPED]
    newest = max(landed, key=lambda unit: unit.ends_at, default=None)
    tried = [unit for unit in units if unit.last_error]
    return {
        "dataset": specification.dataset,
        "mode": specification.mode,
        "query_id": specification.query_id,
        "watermark": mark and mark.position,
        "landed_to": newest and newest.ends_at,
        "landed_at": newest and newest.landed_at,
        "units": len(landed),
        "rows": sum(unit.rows_landed or 0 for unit in landed),
        "last_error": tried[-1].last_error if tried else None,
    }


def _print_units(units: list[UnitRecord], *, as_json: bool) -> None:
    rows = [
        {
            "unit": unit.unit,
            "state": unit.state,
            "rows": unit.rows_landed,
            "landed_at": unit.landed_at,
            "run_id": unit.run_id,
            "last_error": unit.last_error,
        }
        for unit in units
    ]
    _print(rows, as_json=as_json)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[at_second(value) for value in row.values()] for row in rows])
