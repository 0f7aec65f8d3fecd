"""How much is tried of what is drawn at random: `make test` takes a sample, `make test-all` all."""

import os
from collections.abc import Sequence
from itertools import product
from typing import Any

# Read before any test takes the machine's settings away.
WHOLE = os.environ.get("NXP_TEST_WHOLE") == "1"
_ONE_OF = 5
_FEWEST = 3


def sampled(whole: int) -> int:
    """Return how many examples to try, of so many."""
    return whole if WHOLE else max(whole // _ONE_OF, min(whole, _FEWEST))


def crossed(*lists: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all combinations of some lists; in a sample each value of each list at least once."""
    if WHOLE:
        return list(product(*lists))
    longest = max(len(each) for each in lists)
    return [tuple(each[number % len(each)] for each in lists) for number in range(longest)]
