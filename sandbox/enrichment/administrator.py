"""People who set values by hand: some from the start, some after a client has written them."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sandbox.enrichment.fields import LONGEST_VALUE, EnrichableField, FieldFormat
from sandbox.enrichment.writes import Write

_BY_HAND: Final = "by hand"


class Administrator:
    """Edits a number of the values that clients write, each some time after it was written."""

    def __init__(self, seed: int, edits: int, after: float) -> None:
        """Edit `edits` values, each `after` seconds after it was written.

        Args:
            seed: decides which.
            edits: how many at most; only texts.
            after: seconds.
        """
        self.edited: list[Write] = []
        self._random = random.Random(f"{seed} administrator")
        self._left = edits
        self._after = timedelta(seconds=after)

    def edits_of(self, writes: Sequence[Write], due: datetime) -> list[tuple[datetime, Write]]:
        """Return the edits of values that are accepted now and visible when they are due."""
        texts = [each for each in writes if each.field.kind is FieldFormat.TEXT and each.value]
        drawn = self._random.sample(texts, min(self._left, len(texts)))
        self._left -= len(drawn)
        made = [
            replace(
                each, value=f"{_BY_HAND} {len(self.edited) + number}: {each.value}"[:LONGEST_VALUE]
            )
            for number, each in enumerate(drawn, 1)
        ]
        self.edited += made
        return [(due + self._after, each) for each in made]


def values_of_others(
    seed: int, share: float, objects: Iterable[tuple[str, str]], fields: Iterable[EnrichableField]
) -> list[Write]:
    """Return values that others have set before any client wrote.

    Args:
        seed: decides whose.
        share: of the objects, each with a value in each of its text fields.
        objects: kind and uid of each.
        fields: all that can be written.
    """
    drawn = random.Random(f"{seed} others")
    # Fields of the directory have values anyway.
    custom = [each for each in fields if each.kind is FieldFormat.TEXT and "/ad/" not in each.name]
    return [
        Write(uid, field, f"set by others {number}")
        for number, (kind, uid) in enumerate(objects)
        if drawn.random() < share
        for field in custom
        if field.entity == kind and "/virtualization/" not in field.name
    ]
