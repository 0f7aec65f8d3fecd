"""Questions and their answers: SQL files of the catalogue, or of the library that comes with it.

Their SQL sees personal and undeclared columns as digests that nobody can turn back: it can count,
group and join by them, and names nobody.
"""

import re
import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from connectors.catalogue import (
    DATASET_PATTERN,
    QUESTIONS,
    Column,
    DatasetSpecification,
    private_columns,
)
from connectors.errors import ConfigurationError
from connectors.lake import Lake
from connectors.lake import questions as files
from connectors.lake.naming import CHANGES, REJECTS, RUNS
from connectors.lake.query import open_views
from connectors.lake.question_sql import without_values
from connectors.lake.reach import reach_of
from connectors.lake.sql_records import TARGETS
from connectors.quoting import quoted_name
from connectors.settings.installation import LIBRARY
from tasks.site.facts import AnsweredQuestion, problem_of

MOST_ROWS: Final = 500
LONGEST_SECONDS: Final = 20.0
_SHOWN: Final = "shown"
# Columns of records that name people who asked or approved, or have messages.
_OF_PEOPLE: Final = frozenset({"approved_by", "asked_by", "ticket", "error", "stopped_by"})
# What is shown of records of single objects: not their keys and values.
_OF_OBJECTS: Final = {
    CHANGES: frozenset({"sync", "run_id", "date", "field", "action", "changed_at"}),
    TARGETS: frozenset({"action", "run_id", "date", "state", "status", "code", "status_at"}),
}
# A raw operation stands for a dataset in records, with words of the person who ran it.
_NAMED: Final = (
    f"CASE WHEN regexp_full_match(dataset, '{DATASET_PATTERN}') THEN dataset ELSE 'other' END"
)
_OURS: Final = re.compile(r"_nxp_.*|date|snapshot|valid_from|valid_to")
_FAILS: Final = (
    "{file}: its SQL fails on the site, where personal and undeclared columns are digests: "
    "nxp ask {name} shows whether it fails there too"
)
_AROUND: Final = (
    "{file}: it reads {what}; a site answers what reads views by their plain names only"
)


def questions_of(
    catalog: Path, lake: Lake, known: Mapping[str, DatasetSpecification], memory_mb: int
) -> Iterator[AnsweredQuestion]:
    """Yield the questions of the catalogue, otherwise of the library, with their answers.

    A file that cannot be read is a question with a problem.

    Args:
        catalog: the folder of the catalogue.
        lake: the tenant's lake.
        known: the datasets of the catalogue, which say what is personal.
        memory_mb: how much memory one question may take.

    Raises:
        StorageError, UnavailableError: the lake cannot be read.
    """
    paths = files.question_files(catalog) or files.question_files(LIBRARY)
    if not paths:
        return
    landed = frozenset(lake.datasets())
    read = [_read(path, landed) for path in paths.values()]
    clear = {each.name: reads for each, reads in read if not (each.problem or each.missing)}
    if not clear:
        yield from (each for each, _ in read)
        return
    needed = {name for reads in clear.values() for name in reads}
    with closing(open_views(lake, {"memory_limit": f"{memory_mb}MB"}, needed)) as connection:
        veiled = _veil(connection, known)
        for question, reads in read:
            if question.name not in clear:
                yield question
                continue
            answered = _answered(connection, question)
            # A damaged dataset has neither an answer nor a reach.
            readable = () if answered.problem else reads
            yield replace(
                answered,
                sql=without_values(answered.sql, _named(veiled, reads)),
                reaches=tuple(str(reach) for each in readable if (reach := reach_of(lake, each))),
            )


def _read(path: Path, landed: Collection[str]) -> tuple[AnsweredQuestion, tuple[str, ...]]:
    """Return the question of a file, without its answer, and the datasets that it reads."""
    try:
        found = files.read_question(path)
    except ConfigurationError as error:
        return AnsweredQuestion(path.stem, path.stem, problem=str(error)), ()
    try:
        reads = found.reads()
    except ConfigurationError as error:
        # What DuckDB says of the SQL quotes it.
        return AnsweredQuestion(path.stem, path.stem, problem=problem_of([str(error)])), ()
    # These would lead around the digests, to the views and files below them.
    around = _AROUND.format(file=found.file, what=", ".join(reads.strays)) if reads.strays else ""
    chart = found.chart
    question = AnsweredQuestion(
        name=found.name,
        title=found.title,
        text=found.text,
        sql=found.sql,
        chart=chart.kind if chart else "table",
        x=(chart.x if chart else None) or "",
        y=(chart.y if chart else None) or "",
        by=(chart.by if chart else None) or "",
        problem=around,
        missing=tuple(each for each in reads.datasets if each not in landed),
    )
    return question, reads.datasets


def _answered(
    connection: duckdb.DuckDBPyConnection, question: AnsweredQuestion
) -> AnsweredQuestion:
    failed = _FAILS.format(file=f"{QUESTIONS}/{question.name}{files.SUFFIX}", name=question.name)
    timer = threading.Timer(LONGEST_SECONDS, connection.interrupt)
    timer.start()
    try:
        # Within another SELECT nothing but one SELECT can stand.
        inner = question.sql.rstrip().rstrip(";")
        cursor = connection.execute(f"FROM (\n{inner}\n) LIMIT {MOST_ROWS + 1}")
        names = tuple(column[0] for column in cursor.description or ())
        found = cursor.fetchall()
        rows, is_cut = tuple(found[:MOST_ROWS]), len(found) > MOST_ROWS
        return replace(question, columns=names, rows=rows, is_cut=is_cut)
    except duckdb.Error:
        # Its message may have a value.
        return replace(question, problem=failed)
    finally:
        timer.cancel()


def _veil(
    connection: duckdb.DuckDBPyConnection, known: Mapping[str, DatasetSpecification]
) -> dict[str, set[str]]:
    """Put views before those of the lake, in which private columns are digests; return these."""
    veiled: dict[str, set[str]] = {}
    salt = secrets.token_hex(16)
    connection.execute(f"CREATE SCHEMA {_SHOWN}")
    columns: dict[str, list[str]] = {}
    listed = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main'"
    for view, column in connection.execute(listed).fetchall():
        columns.setdefault(view, []).append(column)
    for view, names in columns.items():
        private = veiled[view] = set(_private(view, names, known))
        if not private and view not in {RUNS, REJECTS}:
            continue
        shown = ", ".join(
            f"md5('{salt}' || CAST({quoted_name(name)} AS VARCHAR)) AS {quoted_name(name)}"
            for name in sorted(private)
        )
        if view in {RUNS, REJECTS}:
            shown = ", ".join(filter(None, (shown, f"{_NAMED} AS dataset")))
        name = quoted_name(view)
        source = f"SELECT * REPLACE ({shown}) FROM main.{name}"  # noqa: S608 - names are quoted
        connection.execute(f"CREATE VIEW {_SHOWN}.{name} AS {source}")
    connection.execute(f"SET search_path = '{_SHOWN},main'")
    return veiled


def _private(
    view: str, names: Iterable[str], known: Mapping[str, DatasetSpecification]
) -> Iterator[str]:
    """Yield the columns of a view whose values nobody may see."""
    if view.startswith("_"):
        shown = _OF_OBJECTS.get(view)
        yield from (n for n in names if n in _OF_PEOPLE or (shown is not None and n not in shown))
        return
    specification = known.get(view) or known.get(files.dataset_of(view))
    columns = specification.known_columns if specification else ()
    private = private_columns(columns, _of_people(columns, known))
    public = {each.name for each in columns} - private
    for name in names:
        if name not in public and (name in private or not _OURS.fullmatch(name)):
            yield name


def _of_people(
    columns: Iterable[Column], known: Mapping[str, DatasetSpecification]
) -> frozenset[str]:
    """Return the columns that have the values of a personal column of another dataset."""
    named = ((each.name, *each.references.split(".", 1)) for each in columns if each.references)
    return frozenset(
        name
        for name, dataset, column in named
        if dataset in known and column in private_columns(known[dataset].known_columns)
    )


def _named(veiled: Mapping[str, set[str]], reads: Collection[str]) -> set[str]:
    """Return the private columns of the views of some datasets, and of records."""
    return {
        name
        for view, private in veiled.items()
        if view.startswith("_") or view in reads or files.dataset_of(view) in reads
        for name in private
    }
