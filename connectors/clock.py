"""The current time, the default wherever no other clock is passed in."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time of the machine's clock, in UTC."""
    return datetime.now(UTC)
