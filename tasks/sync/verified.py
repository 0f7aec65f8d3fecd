"""How what Nexthink holds compares with what a sync has sent."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """How what Nexthink holds compares with what was sent, in counts of values.

    `compared` values were acknowledged: `confirmed` read back as sent, `differs` read back as
    what stood there before, `not_found` belong to objects that were not read back, `theirs` were
    set by others since; `not_shown` were sent so lately that they need not show yet. `waiting`
    values are not acknowledged; `left_alone` are those of others, known since before this read.
    `rows` and `objects` count what was read back; `confirmed_objects` had no answer and read back
    as sent.
    """

    exported_at: datetime
    rows: int
    objects: int
    compared: int
    confirmed: int
    differs: int
    not_found: int
    waiting: int
    seconds: float
    theirs: int = 0
    not_shown: int = 0
    confirmed_objects: int = 0
    left_alone: int = 0

    @property
    def convergence(self) -> float:
        """The percentage of this sync's values that Nexthink holds.

        Fields with values of others are theirs: they are reported, and are not missing.
        """
        of = self.compared - self.theirs + self.waiting
        return round(100 * self.confirmed / of, 3) if of else 100.0
