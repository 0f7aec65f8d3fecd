"""Windows that never landed are found in the ledger, and expired ones are reported."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import PartlyDoneError
from tasks.land.asked import Only
from tasks.upkeep.gaps import Gaps, find_gaps, markdown, raise_unless_closed
from tests.landing import Place

DAY = timedelta(days=1)


def found(here: Place, days: int, *, now: datetime | None = None) -> Gaps:
    """Return the gaps of the crashes."""
    (gaps,) = find_gaps(days, ["crashes"], clock=here.clock(now))
    return gaps


def starts(gaps: Gaps) -> list[int]:
    """Return the days of November of the missing windows."""
    return [window.start.day for window in gaps.missing]


def test_a_dataset_that_never_landed_has_no_gaps(here: Place) -> None:
    assert found(here, 7) == Gaps("crashes", 0, (), ())
    raise_unless_closed([found(here, 7)])


def test_windows_between_those_that_landed_are_found_and_a_back_fill_closes_them(
    here: Place,
) -> None:
    for first, last in (("2026-11-12", "2026-11-14"), ("2026-11-16", "2026-11-17")):
        here.land(here.plan("crashes", window_from=first, window_to=last))
    gaps = found(here, 30)
    # From the first window that landed to the last that is complete, a lag after its end.
    assert (gaps.expected, starts(gaps)) == (8, [14, 15, 17, 18, 19])
    assert starts(found(here, 3)) == [17, 18, 19]
    with pytest.raises(PartlyDoneError, match="crashes: 5 windows never landed"):
        raise_unless_closed([gaps])
    first, last = gaps.stretch
    here.land(here.plan("crashes", window_from=first, window_to=last, only=Only.MISSING))
    closed = found(here, 30)
    assert (closed.expected, closed.missing) == (8, ())
    raise_unless_closed([closed])
    assert "| crashes | 8 | 0 | 0 | 0 |" in markdown([closed], 5)


def test_expired_windows_are_reported_apart_and_not_asked_for(here: Place) -> None:
    here.land(here.plan("crashes", window_from="2026-11-12", window_to="2026-11-13"))
    later = datetime(2026, 12, 18, 9, tzinfo=UTC)
    gaps = found(here, 60, now=later)
    assert gaps.missing[0].end > later - 30 * DAY
    assert [window.start.day for window in gaps.expired] == [13, 14, 15, 16, 17]
    assert len(gaps.missing) + len(gaps.expired) + 1 == gaps.expected
    with pytest.raises(PartlyDoneError, match="5 more are expired"):
        raise_unless_closed([gaps])
