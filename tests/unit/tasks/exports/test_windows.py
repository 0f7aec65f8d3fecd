"""Cutting time into windows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.catalogue.specification import describe
from connectors.errors import UsageError
from tasks.exports.windows import (
    Window,
    cut,
    cut_days,
    floor,
    is_repeated,
    literal,
    parse_instant,
    split,
)

UTC_ZONE = ZoneInfo("UTC")
ZURICH = ZoneInfo("Europe/Zurich")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

steps = st.sampled_from([timedelta(minutes=15), HOUR, 6 * HOUR, DAY])
zones = st.sampled_from(
    [UTC_ZONE, ZURICH, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]
)
instants = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2027, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(start=instants, length=st.integers(1, 60), step=steps, zone=zones)
def test_windows_cover_the_stretch_without_gap_or_overlap_on_unambiguous_bounds(
    start: datetime, length: int, step: timedelta, zone: ZoneInfo
) -> None:
    start = floor(start, step)
    end = start + length * step
    windows = cut(start, end, step, zone)
    assert windows[0].start <= start
    assert windows[-1].end >= end
    for before, after in pairwise(windows):
        assert before.end == after.start
    for window in windows:
        assert window.start < window.end
        assert floor(window.start, step) == window.start
        assert not is_repeated(window.start, zone)
        assert not is_repeated(window.end, zone)


@given(start=instants, length=st.integers(1, 60), step=steps, zone=zones)
def test_cutting_a_part_gives_windows_of_the_whole(
    start: datetime, length: int, step: timedelta, zone: ZoneInfo
) -> None:
    start = floor(start, step)
    whole = cut(start - 30 * step, start + 100 * step, step, zone)
    assert set(cut(start, start + length * step, step, zone)) <= set(whole)


def test_the_day_that_begins_in_the_repeated_hour_is_one_window_with_the_day_before() -> None:
    windows = cut(at("2026-10-23T00:00Z"), at("2026-10-27T00:00Z"), DAY, ZURICH)
    assert [str(window) for window in windows] == [
        "2026-10-23..2026-10-24",
        "2026-10-24..2026-10-26",
        "2026-10-26..2026-10-27",
    ]


def test_the_literals_of_neighbouring_windows_never_name_one_time_twice() -> None:
    windows = cut(at("2026-10-24T20:00Z"), at("2026-10-25T06:00Z"), HOUR, ZURICH)
    written = [literal(window.start, ZURICH) for window in windows]
    assert len(set(written)) == len(written)
    assert "2026-10-25 02:00:00" not in written


@given(
    start=instants,
    length=st.integers(1, 48),
    step=steps,
    zone=zones,
    min_step=st.sampled_from([timedelta(minutes=15), timedelta(minutes=30), HOUR]),
)
def test_halves_are_the_whole_on_unambiguous_bounds_of_the_smallest_step(
    start: datetime, length: int, step: timedelta, zone: ZoneInfo, min_step: timedelta
) -> None:
    start = floor(start, step)
    window = cut(start, start + length * step, step, zone)[0]
    halves = split(window, min_step, zone)
    if halves is None:
        assert window.end - window.start <= max(min_step, 2 * HOUR)
        return
    assert (halves[0].start, halves[1].end) == (window.start, window.end)
    assert halves[0].end == halves[1].start
    assert floor(halves[0].end, min_step) == halves[0].end
    assert not is_repeated(halves[0].end, zone)


def test_a_window_of_the_smallest_step_has_no_halves() -> None:
    window = Window(at("2026-11-20T06:00Z"), at("2026-11-20T06:15Z"))
    assert split(window, timedelta(minutes=15), UTC_ZONE) is None
    assert split(
        Window(window.start, at("2026-11-20T06:45Z")), timedelta(minutes=15), UTC_ZONE
    ) == (
        Window(window.start, at("2026-11-20T06:15Z")),
        Window(at("2026-11-20T06:15Z"), at("2026-11-20T06:45Z")),
    )


def test_days_of_a_zone_have_23_24_or_25_hours() -> None:
    spring = cut_days(at("2026-03-28T12:00Z"), at("2026-03-30T12:00Z"), ZURICH)
    autumn = cut_days(at("2026-10-24T12:00Z"), at("2026-10-26T12:00Z"), ZURICH)
    assert [(w.end - w.start) / HOUR for w in spring] == [24, 23, 24]
    assert [(w.end - w.start) / HOUR for w in autumn] == [24, 25, 24]
    for one, other in (*pairwise(spring), *pairwise(autumn)):
        assert one.end == other.start


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", "2026-11-20T00:00Z"),
        ("2026-11-20T06:00Z", "2026-11-20T06:00Z"),
        ("2026-11-20T06:00+02:00", "2026-11-20T04:00Z"),
    ],
)
def test_a_date_is_midnight_utc_and_a_date_time_keeps_its_offset(text: str, expected: str) -> None:
    assert parse_instant(text, "window_from") == at(expected)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T06:00",
        "yesterday",
        "",
        "2026-13-01",
        "20.11.2026",
        # Valid ISO 8601, but the flow's form refuses them, so a command must refuse them too.
        "20261120",
        "2026-W47-5",
        "2026-11-20T06:00:00.000Z",
        "2026-11-20T06:00+0000",
        "2026-11-20\n",
    ],
)
def test_what_is_no_date_or_has_no_offset_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="window_from"):
        parse_instant(text, "window_from")


def test_durations_are_described_as_the_catalogue_writes_them() -> None:
    assert [
        describe(d) for d in (DAY, 36 * HOUR, timedelta(minutes=15), timedelta(seconds=90))
    ] == [
        "1d",
        "36h",
        "15min",
        "90s",
    ]
