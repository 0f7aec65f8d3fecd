"""`nxp datasets`: what the catalogue has, and how fresh each dataset is."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue import DatasetSpecification, load_dataset, query_path, read_datasets
from connectors.clock import utc_now
from connectors.errors import ConfigurationError, UsageError
from connectors.ledger import Ledger, UnitRecord, open_ledger
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from connectors.text_files import read_text
from nxp.catalogue import derived_columns, in_words, landed_columns
from nxp.described import ColumnShown, described
from nxp.options import Json, Tenant, dataset_names
from nxp.output import at_second, print_json, print_table, print_text, say
from tasks.runs.freshness import freshness_of

_SHOWN = ("watermark", "landed_to", "landed_at", "units", "rows", "empty", "last_error")


def datasets(
    name: Annotated[
        str | None, Parameter(completer=dataset_names, help="The dataset to show; without it, all.")
    ] = None,
    *,
    nql: Annotated[
        bool, Parameter(negative="", help="Print the saved query to paste into Nexthink.")
    ] = False,
    columns: Annotated[
        bool, Parameter(negative="", help="Print only what the dataset says about its columns.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List all datasets with freshness, rows and last error.

    With NAME, show what the dataset and its columns mean, and its units. --json prints the units,
    or with --columns the columns.
    """
    settings = load_settings()
    if nql and columns:
        raise UsageError("--nql and --columns print different things: give one of them")
    if nql:
        _print_query(settings, name, as_json=as_json)
        return
    if columns and name is None:
        raise UsageError("--columns needs the NAME of a dataset; --json lists those of all")
    if name:
        specification = load_dataset(settings.catalog, name)
        if columns or not as_json:
            _print_described(specification, settings, as_json=as_json)
        if columns:
            return
        with _ledger(settings, tenant) as ledger:
            _print_units(ledger.units(name) if ledger else [], as_json=as_json)
        _say_derived(specification, settings)
        return
    read = read_datasets(settings.catalog)
    with _ledger(settings, tenant) as ledger:
        _print_all(list(read.valid.values()), ledger, as_json=as_json)
    if read.problems:
        # What is well is shown first, even if both streams are read as one.
        sys.stdout.flush()
        read.all()


def _print_described(
    specification: DatasetSpecification, settings: Settings, *, as_json: bool
) -> None:
    """Print what a dataset is, and its columns."""
    try:
        columns = landed_columns(specification, settings)
    except ConfigurationError as error:
        # What a transform adds is not known then; the rest is.
        say(str(error))
        columns = specification.known_columns
    shown = described(specification, columns)
    if as_json:
        print_json(shown)
        return
    print_text(f"{shown.dataset}: {shown.title}" if shown.title else shown.dataset)
    if shown.description:
        print_text(shown.description)
    said = {
        "grain": shown.grain,
        "owner": shown.owner,
        "topic": shown.topic,
        "tags": ", ".join(shown.tags),
    }
    for label, value in said.items():
        if value:
            print_text(f"{label}: {value}")
    print_text("")
    print_table(
        ["column", "type", "unit", "is", "meaning"],
        [[each.name, each.type, each.unit, _marks(each), _meaning(each)] for each in shown.columns],
    )


def _marks(column: ColumnShown) -> str:
    return ", ".join(
        word
        for word, holds in (
            ("key", column.key),
            ("personal", column.personal),
            ("derived", column.derived),
            ("version", column.sortable == "version"),
        )
        if holds
    )


def _meaning(column: ColumnShown) -> str:
    """Return what a column means, and what it refers to."""
    referred = f"→ {column.references}" if column.references else ""
    return " ".join(filter(None, [column.description, referred]))


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


def _print_all(chosen: list[DatasetSpecification], ledger: Ledger | None, *, as_json: bool) -> None:
    """List datasets with their freshness; with JSON, also what they say of themselves."""
    fresh = freshness_of(chosen, ledger, utc_now()) if ledger else [None] * len(chosen)
    rows = [
        {"dataset": each.dataset, "mode": each.mode, "query_id": each.query_id}
        | {name: known and getattr(known, name) for name in _SHOWN}
        | {"freshness": known and known.light}
        for each, known in zip(chosen, fresh, strict=True)
    ]
    if as_json:
        said = [asdict(described(each)) for each in chosen]
        rows = [row | more for row, more in zip(rows, said, strict=True)]
    _print(rows, as_json=as_json)


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
    if rows and not as_json:
        print_text("")
    _print(rows, as_json=as_json)


def _print(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[at_second(value) for value in row.values()] for row in rows])
