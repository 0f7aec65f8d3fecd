"""`nxp datasets`: what the catalogue has, and how fresh each dataset is."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification, load_dataset, query_path, read_datasets
from connectors.clock import utc_now
from connectors.errors import ConfigurationError, UsageError
from connectors.ledger import Ledger, UnitRecord, open_ledger
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from connectors.text_files import read_text
from nxp.catalogue import derived_columns, in_words
from nxp.options import Json, Tenant
from nxp.output import at_second, print_json, print_table, print_text, say
from tasks.runs.freshness import freshness_of

_SHOWN = ("watermark", "landed_to", "landed_at", "units", "rows", "empty", "last_error")


def datasets(
    name: str | None = None,
    *,
    nql: Annotated[
        bool, Parameter(negative="", help="Print the saved query to paste into Nexthink.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List all datasets with freshness, rows and last error; with NAME, list its units."""
    settings = load_settings()
    if nql:
        _print_query(settings, name, as_json=as_json)
        return
    if name:
        specification = load_dataset(settings.catalog, name)
        with _ledger(settings, tenant) as ledger:
            _print_units(ledger.units(name) if ledger else [], as_json=as_json)
        _say_derived(specification, settings)
        return
    read = read_datasets(settings.catalog)
    with _ledger(settings, tenant) as ledger:
        _print(_rows(list(read.valid.values()), ledger), as_json=as_json)
    if read.problems:
        # What is well is shown first, even if both streams are read as one.
        sys.stdout.flush()
        read.all()


def _print_query(settings: Settings, name: str | None, *, as_json: bool) -> None:
    if name is None:
        raise UsageError("--nql needs the NAME of a dataset")
    specification = load_dataset(settings.catalog, name)
    queries = [
        {"query_id": query_id, "nql": read_text(query_path(settings.catalog, query_id))}
        for query_id in specification.query_ids()
    ]
    if as_json:
        print_json(queries if len(queries) > 1 else queries[0])
        return
    for query in queries:
        if len(queries) > 1:
            print_text(f"/* {query['query_id']} */")
        print_text(query["nql"], end="\n" if len(queries) > 1 else "")


def _say_derived(specification: DatasetSpecification, settings: Settings) -> None:
    """Say what the dataset makes of its rows, if anything; stdout has the units."""
    try:
        derived = derived_columns(specification, settings)
    except ConfigurationError as error:
        say(str(error))
        return
    if derived:
        say(f"derives {in_words(derived)}")
    if specification.where is not None:
        say(f"lands rows where {specification.where}")
    if specification.transform:
        say(f"lands what {specification.transform} returns")


def _ledger(settings: Settings, tenant: str | None) -> AbstractContextManager[Ledger | None]:
    """Open the ledger if a tenant is known; the catalogue can be listed without one."""
    try:
        name = tenant_name(settings, tenant)
    except ConfigurationError:
        if tenant:
            raise
        return nullcontext()
    return open_ledger(settings.ledger_url.get_secret_value(), name)


def _rows(chosen: list[DatasetSpecification], ledger: Ledger | None) -> list[dict[str, Any]]:
    rows = [
        {"dataset": each.dataset, "mode": each.mode, "query_id": each.query_id} for each in chosen
    ]
    fresh = freshness_of(chosen, ledger, utc_now()) if ledger else [None] * len(chosen)
    return [
        row
        | {name: each and getattr(each, name) for name in _SHOWN}
        | {"freshness": each and each.light}
        for row, each in zip(rows, fresh, strict=True)
    ]


def _print_units(units: list[UnitRecord], *, as_json: bool) -> None:
    rows = [
        {
            "unit": unit.unit,
            "state": unit.shown,
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
