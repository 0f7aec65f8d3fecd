"""What `nxp sql` offers beyond the lake: what catalogue and ledger know, made when it is asked for.

Nothing is imported or read for a statement that names none of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from connectors.lake.sql_views import Offered
from connectors.settings.installation import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.catalogue import DatasetSpecification
    from connectors.ledger import Ledger

Rows = Iterator[Mapping[str, Any]]
DATASETS, UNITS, GAPS = "_datasets", "_units", "_gaps"
# Longer than any tenant has been there.
_ALL_DAYS: Final = 36_500
_TIME: Final = "time"
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    DATASETS: {
        "dataset": "text",
        "title": "text",
        "description": "text",
        "grain": "text",
        "owner": "text",
        "topic": "text",
        "tags": "texts",
        "mode": "text",
        "query_id": "text",
        "watermark": _TIME,
        "landed_to": _TIME,
        "landed_at": _TIME,
        "units": "number",
        "rows": "number",
        "empty": "number",
        "last_error": "text",
        "freshness": "text",
    },
    UNITS: {
        "dataset": "text",
        "unit": "text",
        "starts_at": _TIME,
        "ends_at": _TIME,
        "state": "text",
        "rows": "number",
        "landed_at": _TIME,
        "exported_at": _TIME,
        "run_id": "text",
        "last_error": "text",
    },
    GAPS: {"dataset": "text", "starts_at": _TIME, "ends_at": _TIME, "state": "text"},
}


def offered(settings: Settings, tenant: str, asked: str | None) -> Offered:
    """Return what can be asked for in addition to the lake.

    Args:
        settings: of the installation.
        tenant: whose lake it is.
        asked: the tenant as the command names it, for its settings.
    """

    @lru_cache(1)
    def catalogue() -> "Mapping[str, DatasetSpecification]":
        from connectors.catalogue import read_datasets  # noqa: PLC0415 - only for SQL

        return read_datasets(settings.catalog).valid

    def keys(dataset: str) -> tuple[str, ...]:
        found = catalogue().get(dataset) if settings.catalog.is_dir() else None
        return found.key_columns if found else ()

    def comments(dataset: str) -> dict[str, str]:
        found = catalogue().get(dataset) if settings.catalog.is_dir() else None
        return said_of(found) if found else {}

    def datasets() -> Rows:
        with _ledger(settings, tenant) as ledger:
            yield from _datasets(list(catalogue().values()), ledger)

    def units() -> Rows:
        from connectors.lake import Lake  # noqa: PLC0415 - only for SQL

        names = sorted({*catalogue(), *Lake(settings.lake, tenant).datasets()})
        with _ledger(settings, tenant) as ledger:
            yield from _units(names, ledger)

    def gaps() -> Rows:
        from tasks.upkeep.gaps import find_gaps  # noqa: PLC0415 - the ledger

        for each in find_gaps(_ALL_DAYS, tenant=asked):
            for state in ("missing", "expired", "doubtful"):
                for one in getattr(each, state):
                    window = {"starts_at": one.start, "ends_at": one.end}
                    yield {"dataset": each.dataset, "state": state, **window}

    makers = {DATASETS: datasets, UNITS: units, GAPS: gaps}
    tables = {name: partial(_table, name, make) for name, make in makers.items()}
    return Offered(tables, keys, comments)


def offered_columns() -> dict[str, dict[str, str]]:
    """Return the columns of the views that are not in the lake, with their types in DuckDB."""
    types = {"text": "VARCHAR", "texts": "VARCHAR[]", "number": "BIGINT", _TIME: "TIMESTAMPTZ"}
    return {
        view: {column: types[kind] for column, kind in columns.items()}
        for view, columns in _COLUMNS.items()
    }


def said_of(specification: "DatasetSpecification") -> dict[str, str]:
    """Return the comments on a dataset's views: by column, that of the view under an empty name."""
    from connectors.catalogue.comments import comment_of_column, comment_of_table  # noqa: PLC0415 - only for SQL

    said = {each.name: comment_of_column(each) for each in specification.known_columns}
    said[""] = comment_of_table(specification)
    return {name: text for name, text in said.items() if text}


def _ledger(settings: Settings, tenant: str) -> "Any":
    from connectors.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy

    return open_ledger(settings.ledger_url.get_secret_value(), tenant)


def _datasets(chosen: "list[DatasetSpecification]", ledger: "Ledger") -> Rows:
    from connectors.clock import utc_now  # noqa: PLC0415 - only for SQL
    from tasks.runs.freshness import freshness_of  # noqa: PLC0415

    for each, fresh in zip(chosen, freshness_of(chosen, ledger, utc_now()), strict=True):
        row = {name: getattr(each, name, None) for name in _COLUMNS[DATASETS]}
        row |= {name: getattr(fresh, name) for name in row if hasattr(fresh, name)}
        yield row | {
            "tags": list(each.tags),
            "mode": str(each.mode),
            "freshness": fresh.light.value,
        }


def _units(names: Iterable[str], ledger: "Ledger") -> Rows:
    for dataset in names:
        for unit in ledger.units(dataset):
            row = {name: getattr(unit, name, None) for name in _COLUMNS[UNITS]}
            yield row | {"dataset": dataset, "state": unit.shown, "rows": unit.rows_landed}


def _table(name: str, make: Callable[[], Rows], has_rows: bool) -> "pa.Table":
    """Return rows as an Arrow table in the fixed columns of a view, or no rows."""
    import pyarrow as pa  # noqa: PLC0415 - only for SQL

    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "number": pa.int64(),
        _TIME: pa.timestamp("us", "UTC"),
    }
    fields = [(column, types[kind]) for column, kind in _COLUMNS[name].items()]
    return pa.Table.from_pylist(list(make()) if has_rows else [], pa.schema(fields))
