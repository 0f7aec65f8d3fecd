"""What does not fit the database that datasets land in, found without connecting to it."""

from collections.abc import Iterator, Mapping
from itertools import chain

from connectors.catalogue import DatasetSpecification
from connectors.databases.names import LIMITS, NameLimits, folded, long_table

# The run's id, the time of the export and the slot of a snapshot.
OWN_COLUMNS = 3


def table_findings(
    datasets: Mapping[str, DatasetSpecification], url: str, tenant: str
) -> tuple[list[str], list[str]]:
    """Return the problems of the tables that datasets land in, and notes on names cut short."""
    backend = url.partition(":")[0].partition("+")[0]
    limits = LIMITS.get("postgresql" if backend == "postgres" else backend)
    landing = {name: each for name, each in datasets.items() if each.sql}
    if limits is None:
        # Its names are looked at when it is opened.
        return [], []
    problems: list[str] = []
    tables: dict[tuple[str | None, str], str] = {}
    for name, specification in landing.items():
        found = list(_problems(specification, limits))
        try:
            schema, table = _table(specification, tenant)
        except ValueError:
            found.append(f"its schema or table is too long for the tenant {tenant}")
        else:
            found += filter(None, [long_table(table, limits)])
            place = (schema, folded(table)) if limits.folds_case else (schema, table)
            if place in tables:
                found.append(f"{tables[place]} lands in the same table {table}")
            tables.setdefault(place, name)
        problems += [f"{name}.yaml: {problem}" for problem in found]
    notes = chain.from_iterable(_notes(each, limits) for each in landing.values())
    return problems, list(notes)


def _table(specification: DatasetSpecification, tenant: str) -> tuple[str | None, str]:
    if specification.sql is None:
        raise AssertionError("only a dataset with a table is looked at")
    sql = specification.sql.of(tenant)
    return sql.schema_, sql.table or specification.dataset


def _problems(specification: DatasetSpecification, limits: NameLimits) -> Iterator[str]:
    names = [column.name for column in specification.known_columns]
    if len(names) + OWN_COLUMNS > limits.columns:
        yield (
            f"{len(names)} columns are more than a table can have "
            f"({limits.columns - OWN_COLUMNS}): divide the query"
        )
    short = [limits.short(name) for name in names]
    if twice := sorted({name for name in short if short.count(name) > 1}):
        yield f"two columns land as {', '.join(twice)} in the table: give one another name"


def _notes(specification: DatasetSpecification, limits: NameLimits) -> Iterator[str]:
    for column in specification.known_columns:
        if not limits.fits(column.name):
            reason = "a name of the database's own"
            if column.name not in limits.reserved:
                reason = f"longer than the {limits.longest} bytes of a name there"
            yield (
                f"{specification.dataset}: the column {column.name} is {reason}: it lands in the "
                f"table as {limits.short(column.name)}, unless you give it a name (docs/sql.md)"
            )
