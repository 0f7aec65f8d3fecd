"""What people who read the data are shown of it: meanings, units, and what columns refer to.

Nothing here changes what is exported or how it lands: it is in no fingerprint and no schema hash.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from connectors.catalogue.specification import Specification

REFERENCE: Final = r"^[a-z][a-z0-9_]*\.[a-z0-9_]+$"
# As much as MySQL keeps of a comment on a column.
LONGEST_DESCRIPTION: Final = 1_000
LONGEST_TITLE: Final = 200
LONGEST_WORD: Final = 60
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def _one_line(text: str) -> str:
    """Return text in one line, as a folded or wrapped one of a YAML file is meant."""
    line = " ".join(text.split())
    if not line:
        raise ValueError("must not be empty: leave it out instead")
    if _CONTROL.search(line):
        raise ValueError("has a control character, which tables and files cannot show")
    return line


Description = Annotated[str, Field(max_length=LONGEST_DESCRIPTION), AfterValidator(_one_line)]
Title = Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(_one_line)]
Word = Annotated[str, Field(max_length=LONGEST_WORD), AfterValidator(_one_line)]


class Sortable(StrEnum):
    """How text sorts, where that is not letter by letter: `version` has 10.2 after 9.8."""

    VERSION = "version"


class Described(Specification):
    """What is said of one column, beyond what decides how it lands.

    Args:
        description: what its values mean.
        unit: what its numbers count, such as bytes, seconds or %.
        references: the column of a dataset that has the same values, as `dataset.column`.
        personal: whether its values are about a person, or name one.
        sortable: how its text sorts.
    """

    description: Description | None = None
    unit: Word | None = None
    references: str | None = Field(default=None, pattern=REFERENCE)
    personal: bool = False
    sortable: Sortable | None = None


class DescribedDataset(Specification):
    """What is said of a whole dataset.

    Args:
        title: its name for people, such as `Devices`.
        description: what it holds, and what it is good for.
        grain: what one row is.
        owner: who answers questions about it.
        tags: words to find it by.
        topic: the subject that it is listed under.
    """

    title: Title | None = None
    description: Description | None = None
    grain: Title | None = None
    owner: Title | None = None
    tags: tuple[Word, ...] = ()
    topic: Word | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if twice := sorted({tag for tag in self.tags if self.tags.count(tag) > 1}):
            raise ValueError(f"tags: {', '.join(twice)} is given twice")
        return self
