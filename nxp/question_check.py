"""Whether the SQL of a project's questions fits the columns that its datasets land."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from difflib import get_close_matches
from typing import Final

import duckdb

from connectors.catalogue import (
    DATASETS,
    ColumnType,
    DatasetSpecification,
    Mode,
    load_dataset,
    names_in,
)
from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.naming import HISTORY, VERSIONS
from connectors.lake.questions import Question, read_questions
from connectors.lake.sql_changes import VALID_FROM, VALID_TO
from connectors.lake.sql_errors import explained
from connectors.lake.sql_records import ALL_RECORD_VIEWS, record_columns
from connectors.lake.sql_versions import define_version_parts
from connectors.lake.sql_views import duckdb_type
from connectors.locked_duckdb import BLIND
from connectors.quoting import quoted_name
from connectors.settings.installation import Settings
from nxp.library import LIBRARY
from nxp.offered import offered_columns

_TYPES: Final = {
    ColumnType.INT: "BIGINT",
    ColumnType.BYTES: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.DURATION: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.DATETIME: "TIMESTAMPTZ",
    ColumnType.DATE: "DATE",
    ColumnType.LIST: "VARCHAR[]",
}
_OWN: Final = {"_nxp_run_id": "VARCHAR", "_nxp_exported_at": "TIMESTAMPTZ"}
_LINE: Final = re.compile(r"LINE (\d+):")
# What is wrong with names and types; other failures may come from there being no rows.
_WRONG: Final = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
Columns = dict[str, str]


def question_notes(
    settings: Settings, tenant: str | None, datasets: Mapping[str, DatasetSpecification]
) -> list[str]:
    """Return what is wrong with the project's questions, as far as names and types show it.

    Columns are those of the datasets' YAML, and those that have landed. A question over a dataset
    whose columns are not known is left out, and so is one with a PIVOT, whose columns are rows.
    """
    views = _Views(settings, tenant, datasets)
    notes: list[str] = []
    with closing(duckdb.connect(":memory:", config={**BLIND, "threads": 1})) as connection:
        define_version_parts(connection)
        for question in read_questions(settings.catalog)[0]:
            reads = question.datasets()
            if unknown := [each for each in reads if each not in views.names]:
                notes.append(_unknown(question, unknown, views.names))
            elif "pivot" not in question.sql.lower() and views.make(
                connection, question.sql, reads
            ):
                notes += _judged(question, connection, views.names)
    return notes


def _unknown(question: Question, unknown: Sequence[str], known: Iterable[str]) -> str:
    near = get_close_matches(unknown[0], [*known], n=1)
    meant = f": did you mean {near[0]}?" if near else ""
    return (
        f"{question.file}: it reads {', '.join(unknown)}, which neither landed nor is a dataset of "
        f"the catalogue or the library{meant}"
    )


def _judged(
    question: Question, connection: duckdb.DuckDBPyConnection, known: Iterable[str]
) -> Iterator[str]:
    """Yield what DuckDB says of a question over views without rows, and of its chart."""
    try:
        names = [column[0] for column in connection.execute(question.sql).description or ()]
    except duckdb.Error as error:
        if isinstance(error, _WRONG):
            said = explained(error, [*known], lambda _view: True)
            line = _LINE.match("\n".join(said.excerpt))
            yield str(question.wrong(int(line[1]) if line else 1, str(said)))
        return
    columns = question.chart.columns if question.chart else ()
    if lacking := [each for each in columns if each not in names]:
        yield f"{question.file}: chart: the answer has no column {', '.join(lacking)}"


class _Views:
    """Empty tables with the columns of the views of `nxp sql`, made when they are first read."""

    def __init__(
        self, settings: Settings, tenant: str | None, datasets: Mapping[str, DatasetSpecification]
    ) -> None:
        self._datasets = datasets
        self._lake = Lake(settings.lake, tenant) if tenant else None
        self._made: set[str] = set()
        landed: Sequence[str] = ()
        with suppress(PipelineError, OSError):
            landed = self._lake.datasets() if self._lake else ()
        self._landed = frozenset(landed)
        self._library = frozenset(names_in(LIBRARY, DATASETS))
        # Also those with problems, which are listed already.
        self.names = {*names_in(settings.catalog, DATASETS), *self._library, *self._landed}

    def make(self, connection: duckdb.DuckDBPyConnection, sql: str, reads: Iterable[str]) -> bool:
        """Make the views that a statement reads; return whether their columns are known."""
        tables: dict[str, Columns] = {}
        for dataset in reads:
            columns = self._columns(dataset)
            if columns is None:
                return False
            partition = {"date": "DATE"}
            if "snapshot" in columns:
                own = {name: kind for name, kind in columns.items() if name != "snapshot"}
                times = {VALID_FROM: "TIMESTAMPTZ", VALID_TO: "TIMESTAMPTZ"}
                tables |= {dataset + HISTORY: columns, dataset + VERSIONS: own | times}
                partition = {}
            tables[dataset] = columns | partition
        if "_" in sql:
            tables |= {view: dict(record_columns(view)) for view in ALL_RECORD_VIEWS}
            tables |= offered_columns()
        for name in tables.keys() - self._made:
            listed = ", ".join(f"{quoted_name(each)} {kind}" for each, kind in tables[name].items())
            connection.execute(f"CREATE TABLE {quoted_name(name)} ({listed})")
        self._made |= tables.keys()
        return True

    def _columns(self, dataset: str) -> Columns | None:
        """Return the columns of a dataset by name with their types; None if they are not known."""
        specification = self._specification(dataset)
        found: Columns = {}
        if specification and not specification.transform:
            found = {
                each.name: _TYPES.get(each.type, "VARCHAR") for each in specification.known_columns
            }
            if specification.mode is Mode.SNAPSHOT:
                found["snapshot"] = "VARCHAR"
        with suppress(PipelineError, OSError):
            manifest = (
                self._lake.manifest(dataset) if self._lake and dataset in self._landed else None
            )
            if manifest:
                found |= {name: duckdb_type(kind) for name, kind in manifest.schema_columns.items()}
                found |= {"snapshot": "VARCHAR"} if manifest.mode == Mode.SNAPSHOT else {}
        return found | _OWN if found else None

    def _specification(self, dataset: str) -> DatasetSpecification | None:
        if dataset in self._datasets or dataset not in self._library:
            return self._datasets.get(dataset)
        return load_dataset(LIBRARY, dataset)
