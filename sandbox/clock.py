"""The tenant's clock: starts at a given instant and runs at normal speed."""

import time
from datetime import UTC, datetime, timedelta


class TenantClock:
    """Real time, or real time shifted so that it started at a given instant."""

    def __init__(self, start: datetime | None = None) -> None:
        """Start the clock now, at the given instant or at the real time."""
        self._start = (start or datetime.now(UTC)).astimezone(UTC)
        self._origin = time.monotonic()
        self._ahead = timedelta(0)

    @property
    def start(self) -> datetime:
        """The instant at which the clock was started."""
        return self._start

    def now(self) -> datetime:
        """Return the tenant's current time, in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._origin) + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move the clock forward; tokens and result URLs age with it."""
        if by < timedelta(0):
            raise ValueError("the tenant's clock cannot go back")
        self._ahead += by
