"""How a dataset is exported: as a whole inventory, as windows of events, or as whole days."""

from enum import StrEnum

# In the query id of mode slices, a placeholder for the number of days back.
DAYS_BACK = "{days}"


class Mode(StrEnum):
    """How a dataset is exported: as a whole inventory, as windows of events, or as whole days.

    Slices need one saved query for each day back, since NQL cannot parameterise its time frame.
    """

    SNAPSHOT = "snapshot"
    WINDOW = "window"
    SLICES = "slices"
