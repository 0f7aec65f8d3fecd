"""Summing up a run: shares of rejects, and what makes a run fail."""

from collections import Counter
from typing import Any

import pytest

from tasks.sync.applied import Applied
from tasks.sync.ended import SyncStages, is_beyond


def stages(rejected: int, objects: int, **source: int) -> SyncStages:
    counts: dict[str, Any] = dict.fromkeys(
        ("without_key", "unmatched", "ambiguous", "duplicates", "bad_values", "keys"), 0
    )
    outcomes = Counter(acknowledged=objects - rejected, rejected=rejected)
    return SyncStages(planned={"source": counts | source}, applied=Applied(objects=outcomes))


@pytest.mark.parametrize(
    ("found", "beyond"),
    [
        (stages(2, 40), False),
        (stages(3, 40), True),
        # With so few objects a share means nothing.
        (stages(19, 19), False),
        # A run with few changes is measured against all objects of the sources.
        (stages(3, 3, keys=100), False),
        (stages(0, 40, keys=90, unmatched=10), True),
        (stages(0, 0, keys=100, duplicates=3, bad_values=2), False),
        (stages(1, 40, keys=100, duplicates=3, bad_values=2), True),
        (SyncStages(), False),
    ],
)
def test_rejects_of_sources_and_tenant_count_together(found: SyncStages, beyond: bool) -> None:
    assert is_beyond(found, 0.05) is beyond
