"""The present moment, as everything takes it that is not handed another clock."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Give the time of the machine's clock, in UTC."""
    return datetime.now(UTC)
