"""Questions: files of SQL with a title, what the answer means, and how to draw it.

A file begins with comments, `-- title: …`, `-- text: …` and `-- chart: line x=week y=crashes`; a
comment with more than one space at its begin continues the line above. One SELECT of DuckDB over
the views of `nxp sql` follows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from connectors.catalogue.names import QUESTIONS
from connectors.errors import ConfigurationError, UsageError
from connectors.lake.naming import HISTORY, VERSIONS
from connectors.text_files import read_text

SUFFIX: Final = ".sql"
ChartKind = Literal["line", "bar", "table"]
KINDS: Final[tuple[str, ...]] = get_args(ChartKind)
KEYS: Final = ("title", "text", "chart")
_AXES: Final = ("x", "y", "by")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]*")
_KEY: Final = re.compile(r"--\s?([A-Za-z_]\w*)\s*:\s*(.*)")
_MORE: Final = re.compile(r"--(?:\s{2,}(.*)|\s*)")
_MEANT: Final = f"the keys are {', '.join(KEYS)}; two spaces after -- continue a line"
_NEAR: Final = 3


@dataclass(frozen=True, slots=True)
class Chart:
    """How to draw an answer.

    Attributes:
        x: the column from left to right.
        y: the column of the values.
        by: the column that each line, or each colour of bars, stands for.
    """

    kind: ChartKind
    x: str | None = None
    y: str | None = None
    by: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return tuple(each for each in (self.x, self.y, self.by) if each)


@dataclass(frozen=True, slots=True)
class Reads:
    """What the SQL of a question reads.

    Attributes:
        datasets: those whose views it names, in the order of the alphabet.
        strays: what it reads in other ways than by the plain name of a view: functions that give
            rows, such as read_parquet, files, and names with a schema.
    """

    datasets: tuple[str, ...]
    strays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, as its file has it; the name is that of the file.

    `begin` is the line on which its SQL begins.
    """

    name: str
    path: Path
    title: str
    text: str
    chart: Chart | None
    sql: str
    begin: int

    @property
    def file(self) -> str:
        """The file, relative to the catalogue."""
        return f"{QUESTIONS}/{self.name}{SUFFIX}"

    def datasets(self) -> tuple[str, ...]:
        """Return the datasets that its SQL reads, in the order of the alphabet.

        Raises:
            ConfigurationError: it is not one SELECT of DuckDB.
        """
        return self.reads().datasets

    def reads(self) -> Reads:
        """Return what its SQL reads.

        Raises:
            ConfigurationError: it is not one SELECT of DuckDB.
        """
        from connectors.lake.question_sql import (  # noqa: PLC0415 - duckdb, for its parser
            strays,
            tables,
        )

        parsed = _parsed(self)
        views = {name.lower() for name in tables(parsed)}
        # What begins with _ is there without a dataset.
        datasets = {dataset_of(view) for view in views if not view.startswith("_")}
        return Reads(tuple(sorted(datasets)), tuple(sorted(set(strays(parsed)))))

    def wrong(self, number: int, what: str) -> ConfigurationError:
        """Return an error about a line of the SQL, with the file and the line in it."""
        return _wrong(self.path, self.begin + number - 1, what)


def question_files(*folders: Path) -> dict[str, Path]:
    """Return the files of questions by name; those of the first catalogue come before others'."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / QUESTIONS).glob(f"*{SUFFIX}")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_questions(*folders: Path) -> tuple[list[Question], list[str]]:
    """Return the valid questions of some catalogues, and what is wrong with the others."""
    questions, problems = [], []
    for path in question_files(*folders).values():
        try:
            question = read_question(path)
            question.datasets()
            questions.append(question)
        except ConfigurationError as error:
            problems.append(str(error))
    return questions, problems


def find_question(name: str, *folders: Path) -> Question:
    """Return the question of this name.

    Raises:
        UsageError: there is no such question; the message names similar ones.
        ConfigurationError: its file is wrong.
    """
    files = question_files(*folders)
    if path := files.get(name.removesuffix(SUFFIX)):
        return read_question(path)
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    lower = name.lower().replace("-", "_")
    within = [each for each in files if lower and lower in each]
    near = list(dict.fromkeys([*within, *get_close_matches(lower, files, n=_NEAR)]))[:_NEAR]
    meant = f": did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"there is no question {name!r}{meant} (nxp ask lists them)")


def read_question(path: Path) -> Question:
    """Return the question of a file.

    Raises:
        ConfigurationError: the file is wrong; the message has the file and the line.
    """
    if not _NAME.fullmatch(path.stem):
        raise _wrong(path, 1, "name the file with small letters, digits and _ only")
    try:
        lines = read_text(path).splitlines()
    except UnicodeDecodeError:
        raise _wrong(path, 1, "it is not UTF-8") from None
    except OSError as error:
        raise _wrong(path, 1, f"cannot be read: {error.strerror or error}") from None
    begin = next((at for at, line in enumerate(lines) if not _is_head(line)), len(lines))
    head = _head(path, lines[:begin])
    number, title = head.get("title", (1, ""))
    if not title:
        raise _wrong(path, number, "the title is missing: begin with -- title: …")
    sql = "\n".join(lines[begin:]).strip()
    if not sql:
        raise _wrong(path, max(1, len(lines)), "the SELECT is missing")
    _, text = head.get("text", (1, ""))
    chart = _chart(path, *head["chart"]) if "chart" in head else None
    return Question(path.stem, path, title, text, chart, sql, begin + 1)


def _is_head(line: str) -> bool:
    return not line.strip() or line.startswith("--")


def _head(path: Path, lines: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return the keys of a head, each with the number of its line and its value."""
    found: dict[str, tuple[int, str]] = {}
    key = ""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if key and (more := _MORE.fullmatch(line.rstrip())):
            at, value = found[key]
            found[key] = at, f"{value} {(more[1] or '').strip()}".strip()
            continue
        match = _KEY.fullmatch(line.rstrip())
        if match is None:
            raise _wrong(path, number, f"write -- KEY: VALUE ({_MEANT})")
        key = match[1]
        if key not in KEYS:
            raise _wrong(path, number, f"unknown key {key!r}: the keys are {', '.join(KEYS)}")
        if key in found:
            raise _wrong(path, number, f"{key}: is there twice")
        found[key] = number, match[2].strip()
    return found


def _chart(path: Path, number: int, written: str) -> Chart:
    kind, *words = written.split() or [""]
    if kind not in KINDS:
        raise _wrong(path, number, f"chart: {kind!r} is not one of {', '.join(KINDS)}")
    axes: dict[str, str] = {}
    for word in words:
        axis, _, column = word.partition("=")
        if axis not in _AXES or not column or axis in axes:
            raise _wrong(path, number, f"chart: {word!r} is not x=COLUMN, y=COLUMN or by=COLUMN")
        axes[axis] = column
    if kind != "table" and not {"x", "y"} <= axes.keys():
        raise _wrong(path, number, f"chart: {kind} needs x=COLUMN and y=COLUMN")
    return Chart(cast("ChartKind", kind), **axes)


def _parsed(question: Question) -> Any:
    """Return the SELECT as DuckDB's parser has it."""
    from connectors.lake.question_sql import parsed  # noqa: PLC0415 - duckdb, for its parser

    found = parsed(question.sql)
    if found.get("error_type") == "parser":
        at = int(found.get("position") or 0)
        number = 1 + question.sql.encode()[:at].count(b"\n")
        said = str(found.get("error_message", "")).splitlines()[0]
        raise question.wrong(number, f"SQL: {said}")
    statements = found.get("statements", ())
    if found.get("error") or len(statements) != 1:
        raise question.wrong(1, "SQL: write exactly one SELECT")
    return statements[0]


def dataset_of(view: str) -> str:
    """Return the dataset that a view shows: devices of devices_history, for example."""
    for ending in (HISTORY, VERSIONS):
        view = view.removesuffix(ending)
    return view


def _wrong(path: Path, number: int, what: str) -> ConfigurationError:
    return ConfigurationError(f"{QUESTIONS}/{path.name}:{number}: {what}")
