"""Questions and their answers: SQL files of the catalogue, or of the library that comes with it.

The head of a file is comments: `-- title: …`, `-- text: …`, `-- chart: line|bar|table x=… y=…`.
Each question is one SELECT over the views of nxp sql. It sees personal and undeclared columns as
digests that nobody can turn back: it can count, group and join by them, and names nobody.
"""

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from connectors.catalogue import DatasetSpecification
from connectors.lake import Lake
from connectors.lake.query import open_views
from connectors.quoting import quoted_name
from connectors.settings.installation import LIBRARY
from connectors.text_files import read_text
from tasks.site.columns import private_columns
from tasks.site.facts import Question

QUESTIONS: Final = "questions"
MOST_ROWS: Final = 500
LONGEST_SECONDS: Final = 20.0
_SHOWN: Final = "shown"
_HEAD: Final = re.compile(r"^--\s*(title|text|chart):\s*(.*)$")
_MORE: Final = re.compile(r"^--\s{2,}(\S.*)$")
_PAIR: Final = re.compile(r"\b([xy])=(\S+)")
_OF_PEOPLE: Final = frozenset({"approved_by", "asked_by", "ticket", "error", "stopped_by"})
_OURS: Final = re.compile(r"_nxp_.*|date|snapshot")
# Names that would lead around the digests: the views and files below them.
_AROUND: Final = re.compile(
    r"\bmain\b|\b(read|scan|glob|query)\w*\s*\(|'[^']*\.parquet", re.IGNORECASE
)
UNANSWERED: Final = (
    "Not answered: a dataset that it reads has not landed, or its SQL fails. "
    "Run it with nxp sql to see why."
)


def questions_of(
    catalog: Path, lake: Lake, known: Mapping[str, DatasetSpecification], memory_mb: int
) -> Iterator[Question]:
    """Yield the questions of the catalogue, otherwise of the library, with their answers.

    Args:
        catalog: the folder of the catalogue.
        lake: the tenant's lake.
        known: the datasets of the catalogue, which say what is personal.
        memory_mb: how much memory one question may take.

    Raises:
        StorageError, UnavailableError: the lake cannot be read.
    """
    files = sorted((catalog / QUESTIONS).glob("*.sql"))
    files = files or sorted((LIBRARY / QUESTIONS).glob("*.sql"))
    if not files:
        return
    with closing(open_views(lake, {"memory_limit": f"{memory_mb}MB"})) as connection:
        _veil(connection, known)
        for file in files:
            yield _answered(connection, _read(file))


def _read(file: Path) -> Question:
    head: dict[str, str] = {}
    last = ""
    lines = read_text(file).splitlines()
    for line in lines:
        if found := _HEAD.match(line):
            last, head[found[1]] = found[1], found[2].strip()
        elif last and (more := _MORE.match(line)):
            head[last] += f" {more[1].strip()}"
        else:
            # What follows the head are comments of the SQL itself.
            break
    sql = "\n".join(lines[lines.index(line) :]).strip() if lines else ""
    chart = head.get("chart", "")
    axes = dict(_PAIR.findall(chart))
    return Question(
        name=file.stem,
        title=head.get("title", file.stem.replace("_", " ")),
        text=head.get("text", ""),
        sql=sql,
        chart=chart.partition(" ")[0] or "table",
        x=axes.get("x", ""),
        y=axes.get("y", ""),
    )


def _answered(connection: duckdb.DuckDBPyConnection, question: Question) -> Question:
    if _AROUND.search(question.sql):
        return replace(question, problem=UNANSWERED)
    timer = threading.Timer(LONGEST_SECONDS, connection.interrupt)
    timer.start()
    try:
        # Within another SELECT nothing but one SELECT can stand.
        inner = question.sql.rstrip().rstrip(";")
        cursor = connection.execute(f"FROM (\n{inner}\n) LIMIT {MOST_ROWS}")
        names = tuple(column[0] for column in cursor.description or ())
        return replace(question, columns=names, rows=tuple(cursor.fetchall()))
    except duckdb.Error:
        # Its message may have a value.
        return replace(question, problem=UNANSWERED)
    finally:
        timer.cancel()


def _veil(connection: duckdb.DuckDBPyConnection, known: Mapping[str, DatasetSpecification]) -> None:
    """Put views before those of the lake, in which private columns are digests."""
    salt = secrets.token_hex(16)
    connection.execute(f"CREATE SCHEMA {_SHOWN}")
    columns: dict[str, list[str]] = {}
    listed = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main'"
    for view, column in connection.execute(listed).fetchall():
        columns.setdefault(view, []).append(column)
    for view, names in columns.items():
        private = set(_private(view, names, known))
        if not private:
            continue
        shown = ", ".join(
            f"md5('{salt}' || CAST({quoted_name(name)} AS VARCHAR)) AS {quoted_name(name)}"
            for name in sorted(private)
        )
        name = quoted_name(view)
        source = f"SELECT * REPLACE ({shown}) FROM main.{name}"  # noqa: S608 - names are quoted
        connection.execute(f"CREATE VIEW {_SHOWN}.{name} AS {source}")
    connection.execute(f"SET search_path = '{_SHOWN},main'")


def _private(
    view: str, names: Iterable[str], known: Mapping[str, DatasetSpecification]
) -> Iterator[str]:
    """Yield the columns of a view whose values nobody may see."""
    if view.startswith("_"):
        # `_runs` has names of people who asked and approved, and errors.
        yield from (name for name in names if name in _OF_PEOPLE)
        return
    specification = known.get(view.removesuffix("_history")) or known.get(view)
    columns = specification.known_columns if specification else ()
    public = {each.name for each in columns} - private_columns(columns)
    yield from (name for name in names if name not in public and not _OURS.fullmatch(name))
