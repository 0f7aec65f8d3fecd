"""Answers of questions for Python: `OpenLake.ask`."""

import polars as pl

from connectors.lake import Lake
from connectors.lake.query import Rows
from connectors.lake.questions import Question, find_question
from connectors.lake.sql_room import Room
from connectors.lake.sql_views import NOTHING, Offered
from connectors.settings.installation import Settings
from connectors.settings.tenants import tenant_name
from nxp.library import LIBRARY
from nxp.offered import offered
from nxp.question_answers import answer_question
from nxp.sql_formats import AT_ONCE, StatementSource


def answer(
    lake: Lake, name: str, settings: Settings | None, tenant: str | None
) -> tuple[Question, pl.DataFrame]:
    """Return a question and its answer.

    Args:
        lake: one tenant's part of the lake.
        name: the question's.
        settings: of the installation, if the lake is the one that they name.
        tenant: as the person named it.

    Raises:
        UsageError: there is no such question.
        ConfigurationError: a dataset that it reads has not landed, or its SQL is wrong.
    """
    catalog = settings.catalog if settings else LIBRARY
    room = Room()
    if settings:
        room = Room(settings.home, settings.memory_mb, settings.sql_spill_mb)

    def offer() -> Offered:
        return offered(settings, tenant_name(settings, tenant), tenant) if settings else NOTHING

    question = find_question(name, catalog, LIBRARY)
    return question, answer_question(question, StatementSource(lake, room, offer), catalog, _frame)


def _frame(rows: Rows) -> pl.DataFrame:
    found = pl.from_arrow(rows.arrow(AT_ONCE).read_all())
    assert isinstance(found, pl.DataFrame)  # noqa: S101 - for the type checker: it was a table
    return found
