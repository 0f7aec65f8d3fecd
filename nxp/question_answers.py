"""The answer of a question, for the command and for Python."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from connectors.catalogue.names import DATASETS, names_in
from connectors.errors import ConfigurationError, SqlError
from connectors.lake.query import Rows
from connectors.lake.questions import Question
from nxp.library import LIBRARY
from nxp.sql_formats import StatementSource

Read = TypeVar("Read")
_LINE: Final = re.compile(r"LINE (\d+):")


def answer_question(
    question: Question, source: StatementSource, catalog: Path, read: Callable[[Rows], Read]
) -> Read:
    """Run the SQL of a question, and return what `read` makes of its rows.

    Raises:
        ConfigurationError: a dataset that it reads has not landed, or its SQL is wrong.
    """
    landed = source.lake.datasets()
    if missing := [each for each in question.datasets() if each not in landed]:
        raise _not_landed(question, missing, catalog)
    try:
        return source.read(question.sql, read)
    except SqlError as error:
        found = _LINE.match("\n".join(error.excerpt))
        raise question.wrong(int(found[1]) if found else 1, str(error)) from None


def _not_landed(question: Question, missing: Iterable[str], catalog: Path) -> ConfigurationError:
    """Return the error that says how to get datasets that have not landed."""
    needed = list(missing)
    has = names_in(catalog, DATASETS) if catalog.is_dir() else []
    known = {*names_in(LIBRARY, DATASETS), *has}
    if unknown := [each for each in needed if each not in known]:
        return ConfigurationError(
            f"{question.file}: it reads {', '.join(unknown)}, which neither landed nor is a "
            "dataset of the catalogue or the library"
        )
    add = [each for each in needed if each not in has]
    steps = [f"nxp add {' '.join(add)}"] if add else []
    steps.append(f"nxp export {' '.join(needed)}")
    verb = "has" if len(needed) == 1 else "have"
    return ConfigurationError(
        f"{question.name}: {', '.join(needed)} {verb} not landed yet: {'; '.join(steps)}"
    )
