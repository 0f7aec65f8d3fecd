"""How much is tried of what is drawn at random: `make test` takes a sample, `make test-all` all."""

import os

# Read before any test takes the machine's settings away.
WHOLE = os.environ.get("NXP_TEST_WHOLE") == "1"
_ONE_OF = 5
_FEWEST = 3


def sampled(whole: int) -> int:
    """Return how many examples to try, of so many."""
    return whole if WHOLE else max(whole // _ONE_OF, min(whole, _FEWEST))
