"""What a plan needs before anything is started: the inventory that gives the identities."""

from collections.abc import Callable
from datetime import datetime

from connectors.clock import utc_now
from connectors.lake import Lake
from tasks.sync.resolve import latest_inventory
from tasks.sync.run import ChosenSync


def check_inventory(chosen: ChosenSync, clock: Callable[[], datetime] = utc_now) -> None:
    """Raise unless the inventory of a sync has landed and can be relied on.

    Raises:
        DataRefusedError: it has not landed, is too old, is empty, or had rows rejected.
    """
    if chosen.specification.inventory is None:
        return
    settings = chosen.settings
    lake = Lake(settings.lake, chosen.tenant.name, settings.home / "staging")
    latest_inventory(chosen.specification, lake, clock())
