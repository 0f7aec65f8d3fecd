"""The time frame of a query, as two instants."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from nql import syntax
from nql.errors import NqlSyntaxError
from sandbox.nql.errors import NqlReachError, NqlTypeError
from sandbox.nql.values import add_day, read_instant

_SECONDS = {"min": 60, "h": 3600}
_YEAR = timedelta(days=366)
_FOUR_DIGITS = re.compile(r"[0-9]{4}")
_LAST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Frame:
    """A time frame, ends included. Whole days use daily samples, anything finer the real ones."""

    start: datetime
    end: datetime
    daily: bool = False

    def narrowed(self, start: datetime | None, end: datetime | None) -> "Frame":
        """Return the part of the frame between two instants."""
        later = max(self.start, start) if start else self.start
        earlier = min(self.end, end) if end else self.end
        return Frame(later, earlier, self.daily)


def frame_of(selection: syntax.Selection, now: datetime, zone: ZoneInfo) -> Frame:
    """Return the frame of a selection at an instant, or raise the NqlError that says why not."""
    try:
        return _frame(selection, now, zone)
    except OverflowError:
        raise NqlTypeError("the time frame is out of range") from None


def _frame(selection: syntax.Selection, now: datetime, zone: ZoneInfo) -> Frame:
    match selection:
        case syntax.During(span) if span.unit == "d":
            first = _midnight(now, zone, int(span.amount) - 1)
            return Frame(first, add_day(_midnight(now, zone, 0), zone) - _LAST, daily=True)
        case syntax.During(span):
            return Frame(now - _length(span), now)
        case syntax.Between(start, end):
            first, _, whole_first = _instant(start, now, zone)
            _, last, whole_last = _instant(end, now, zone)
            if last < first and _has_no_year(end):
                # From December to a day that is still to come.
                _, last, whole_last = _instant(end, now + _YEAR, zone)
            if last < first:
                raise NqlTypeError("the time frame ends before it starts", *_at(end))
            return Frame(first, last, daily=whole_first and whole_last)
        case syntax.OnDay(day):
            first, last, whole = _instant(day, now, zone)
            if not whole:
                raise NqlSyntaxError("'on' takes a day", *_at(day))
            return Frame(first, last, daily=True)


def refuse_beyond(frame: Frame, limit: timedelta | None) -> None:
    """Raise NqlReachError if a high-resolution frame is longer than the tenant allows."""
    if limit is None or frame.daily or frame.end - frame.start <= limit:
        return
    hours = f"{limit.total_seconds() / 3600:g}"
    message = (
        f"the time frame is too long: high-resolution data can be queried over {hours} hours"
        " at most"
    )
    raise NqlReachError(message)


def _instant(
    instant: syntax.Instant, now: datetime, zone: ZoneInfo
) -> tuple[datetime, datetime, bool]:
    """Return the start and end of an instant, and whether it is a whole day."""
    if isinstance(instant, syntax.Span):
        if instant.unit != "d":
            moment = now - _length(instant)
            return moment, moment, False
        first = _midnight(now, zone, int(instant.amount))
        return first, add_day(first, zone) - _LAST, True
    try:
        first, whole = read_instant(instant.text, zone, now)
    except ValueError as error:
        raise NqlTypeError(str(error), *_at(instant)) from error
    return first, (add_day(first, zone) - _LAST if whole else first), whole


def _has_no_year(instant: syntax.Instant) -> bool:
    return isinstance(instant, syntax.Moment) and _FOUR_DIGITS.search(instant.text) is None


def _length(span: syntax.Span) -> timedelta:
    return timedelta(seconds=span.amount * _SECONDS[span.unit])


def _midnight(now: datetime, zone: ZoneInfo, days_back: int) -> datetime:
    day = now.astimezone(zone).date() - timedelta(days=days_back)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _at(instant: syntax.Instant) -> tuple[int, int]:
    return instant.place.line, instant.place.column
