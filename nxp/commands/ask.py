"""`nxp ask`: the questions of the project and of the library, and their answers."""

import textwrap
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.errors import ConfigurationError, UsageError
from connectors.lake import Lake
from connectors.lake.questions import Question, find_question, question_files, read_questions
from connectors.lake.reach import Reach, reach_of
from connectors.lake.sql_room import Room
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from nxp.answers.questions import ChartShown, QuestionAnswered, QuestionShown, ReachShown
from nxp.library import LIBRARY
from nxp.offered import offered
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, print_text, say
from nxp.question_answers import answer_question
from nxp.sql_formats import SqlResult, StatementSource, fetched
from nxp.sql_table import print_result

_WIDTH: Final = 100


def question_names(_context: object) -> list[str]:
    """Return the names of all questions, for a shell that completes one."""
    return list(question_files(load_settings().catalog, LIBRARY))


def ask(
    name: Annotated[
        str | None, Parameter(completer=question_names, help="The question to answer.")
    ] = None,
    *,
    sql: Annotated[
        bool, Parameter(name="--sql", negative="", help="Print the SQL of the question.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Answer the question NAME from what has landed; without NAME, list the questions.

    Questions are files: those of the project's folder questions/ come first, then those of the
    library. To change one, write its SQL into a file of the same name in questions/.
    """
    settings = load_settings()
    if sql and (name is None or as_json):
        raise UsageError("--sql: name a question, without --json, whose answer has the SQL too")
    if name is None:
        _list(settings, tenant, as_json=as_json)
        return
    question = find_question(name, settings.catalog, LIBRARY)
    if sql:
        print_text(question.sql)
        return
    _answer(question, settings, tenant, as_json=as_json)


def _list(settings: Settings, tenant: str | None, *, as_json: bool) -> None:
    """Print all questions that can be read.

    Raises:
        ConfigurationError: others cannot be read.
    """
    landed = Lake(settings.lake, tenant_name(settings, tenant)).datasets()
    questions, problems = read_questions(settings.catalog, LIBRARY)
    shown = [_shown(each, landed) for each in questions]
    if as_json:
        print_json(shown)
    else:
        print_table(("name", "title", "datasets", "landed"), [_row(each) for each in shown])
        say()
        say("nxp ask NAME answers one; nxp ask NAME --sql prints its SQL")
    if problems:
        raise ConfigurationError("questions that cannot be read", problems=tuple(problems))


def _shown(question: Question, landed: Collection[str]) -> QuestionShown:
    datasets = question.datasets()
    return QuestionShown(
        name=question.name,
        title=question.title,
        text=question.text,
        chart=_chart(question),
        datasets=datasets,
        missing=tuple(each for each in datasets if each not in landed),
        file=str(question.path),
    )


def _row(question: QuestionShown) -> tuple[str, str, str, str]:
    landed = f"no: {', '.join(question.missing)}" if question.missing else "yes"
    return question.name, question.title, ", ".join(question.datasets), landed


def _chart(question: Question) -> ChartShown | None:
    chart = question.chart
    return ChartShown(kind=chart.kind, x=chart.x, y=chart.y, by=chart.by) if chart else None


def _answer(question: Question, settings: Settings, tenant: str | None, *, as_json: bool) -> None:
    """Print the answer of a question.

    Raises:
        ConfigurationError: a dataset that it reads has not landed, or its SQL is wrong.
    """
    name = tenant_name(settings, tenant)
    room = Room(settings.home, settings.memory_mb, settings.sql_spill_mb)
    source = StatementSource(
        Lake(settings.lake, name), room, lambda: offered(settings, name, tenant)
    )
    result = answer_question(question, source, settings.catalog, lambda rows: fetched(rows, None))
    datasets = question.datasets()
    reaches = [reach for each in datasets if (reach := reach_of(source.lake, each))]
    if as_json:
        print_json(_answered(question, datasets, result, reaches))
    else:
        print_text(question.title)
        for line in textwrap.wrap(question.text, _WIDTH):
            print_text(line)
        print_text("")
        print_result(result.names, result.rows)
        say(number_of(len(result.rows), "row"))
        if reaches:
            say(f"made of {'; '.join(map(str, reaches))}")
    columns = question.chart.columns if question.chart else ()
    if lacking := [each for each in columns if each not in result.names]:
        say(f"{question.file}: chart: the answer has no column {', '.join(lacking)}")


def _answered(
    question: Question, datasets: tuple[str, ...], result: SqlResult, reaches: Sequence[Reach]
) -> QuestionAnswered:
    return QuestionAnswered(
        name=question.name,
        title=question.title,
        text=question.text,
        chart=_chart(question),
        datasets=datasets,
        file=str(question.path),
        sql=question.sql,
        rows=[dict(zip(result.names, row, strict=True)) for row in result.rows],
        reaches=[ReachShown(**asdict(each)) for each in reaches],
    )
