"""Time frames and date-times of the tenant's zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nql.errors import NqlError
from nql.parser import parse
from sandbox.nql.errors import NqlReachError
from sandbox.nql.timeframe import Frame, frame_of, refuse_beyond
from sandbox.nql.values import read_instant

ZURICH = ZoneInfo("Europe/Zurich")
# 23:30 in Zurich, shortly before the local day ends.
NOW = datetime(2026, 11, 19, 22, 30, tzinfo=UTC)
LAST = timedelta(microseconds=1)


def frame(text: str, now: datetime = NOW) -> Frame:
    selection = parse(f"devices {text}").selection
    assert selection is not None
    return frame_of(selection, now, ZURICH)


def zurich(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZURICH).astimezone(UTC)  # type: ignore[arg-type,misc]


def test_hours_count_back_from_now_to_the_minute() -> None:
    assert frame("during past 12h") == Frame(NOW - timedelta(hours=12), NOW)


def test_days_are_whole_days_of_the_tenant_with_today() -> None:
    found = frame("during past 2d")
    assert found == Frame(zurich(2026, 11, 18), zurich(2026, 11, 20) - LAST, daily=True)


def test_one_day_ago_is_the_whole_of_yesterday() -> None:
    found = frame("from 1d ago to 1d ago")
    assert found == Frame(zurich(2026, 11, 18), zurich(2026, 11, 19) - LAST, daily=True)


def test_the_last_day_named_by_a_date_is_included() -> None:
    found = frame("from 2026-11-01 to Nov 3, 2026")
    assert found == Frame(zurich(2026, 11, 1), zurich(2026, 11, 4) - LAST, daily=True)


def test_date_times_ask_for_high_resolution() -> None:
    found = frame("from 2026-11-01 10:00:00 to 2026-11-01 11:30:00")
    assert found == Frame(zurich(2026, 11, 1, 10), zurich(2026, 11, 1, 11, 30))


def test_a_day_with_a_change_of_clocks_is_as_long_as_it_was() -> None:
    found = frame("on 2026-10-25")
    assert found.end + LAST - found.start == timedelta(hours=25)


@pytest.mark.parametrize("text", ["from 1d ago to 3d ago", "on 2h ago", "on 2026-02-30"])
def test_frames_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(NqlError):
        frame(text)


def test_a_repeated_hour_is_read_the_first_time_round() -> None:
    assert read_instant("2026-10-25 02:30:00", ZURICH)[0] == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_an_hour_that_was_skipped_moves_forward() -> None:
    assert read_instant("2026-03-29 02:30:00", ZURICH)[0] == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )


def test_only_high_resolution_frames_have_a_reach() -> None:
    limit = timedelta(days=8)
    refuse_beyond(frame("during past 192h"), limit)
    refuse_beyond(frame("during past 20d"), limit)
    refuse_beyond(frame("during past 500h"), None)
    with pytest.raises(NqlReachError, match="192 hours"):
        refuse_beyond(frame("during past 193h"), limit)
