"""What is in doubt about windows, over random histories."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.catalogue import WindowSpecification
from connectors.ledger import Doubt, UnitRecord
from tasks.exports.windows import Window
from tasks.land.calendar import Calendar
from tasks.land.doubts import changed_doubts, judge, unjudged
from tasks.runs.emptiness import conspicuous
from tests.sampling import sampled

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 20, tzinfo=UTC)


def calendar(kept: int | None = None, zone: str = "UTC", reach: str = "60d") -> Calendar:
    """Return a calendar of days; the tenant keeps `kept` days."""
    window = {"column": "at", "from": "from", "to": "to", "reach": reach}
    specification = WindowSpecification.model_validate(window)
    days = None if kept is None else kept * DAY
    return Calendar(specification, ZoneInfo(zone), DAY, days=False, kept=days)


def day(ago: int) -> Window:
    return Window(TODAY - ago * DAY, TODAY - (ago - 1) * DAY)


def unit(ago: int, rows: int, run: str = "r", exported_at: datetime = NOW) -> UnitRecord:
    """Return the record of the day that began so many days ago."""
    window = day(ago)
    times = (window.start, window.end)
    return UnitRecord(
        f"{ago}", *times, "landed", run, exported_at, rows, None, None, exported_at, 1
    )


@settings(max_examples=sampled(60))
@given(
    kept=st.integers(3, 30),
    quiet=st.sets(st.integers(1, 40), max_size=12),
    is_known=st.booleans(),
)
def test_a_window_that_the_tenant_has_forgotten_is_never_taken_for_a_quiet_one(
    kept: int, quiet: set[int], *, is_known: bool
) -> None:
    cut = calendar(kept if is_known else None)
    # What is shown: nothing of days before the retention, nothing of quiet days.
    rows = {ago: 0 if ago in quiet or ago > kept else 9 for ago in range(40, 0, -1)}
    landed = [unit(ago, count) for ago, count in rows.items()]
    judged = {
        ago: judge(day(ago), count, NOW, cut, landed, "r").doubt for ago, count in rows.items()
    }
    forgotten = {ago for ago in rows if ago > kept}
    assert all(judged[ago] is not None for ago in forgotten)
    shown = [ago for ago, count in rows.items() if count]
    # A quiet day is in no doubt if older rows were shown, or if the retention is known.
    for ago in quiet - forgotten:
        proven = ago + 1 <= kept if is_known else bool(shown and max(shown) > ago)
        assert (judged[ago] is None) or not proven


def test_only_the_same_run_or_a_later_one_proves_that_a_window_was_quiet() -> None:
    before, after = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    for run, at, doubt in (
        ("r", before, None),
        ("other", before, Doubt.UNPROVEN),
        ("other", after, None),
    ):
        others = [unit(20, 5, run, at)]
        assert judge(day(10), 0, NOW, calendar(), others, "r").doubt is doubt
    # An export that an earlier run had started, and that this one has resumed, proves nothing.
    resumed = [unit(20, 5, "r", before)]
    for began, doubt in ((before, None), (NOW, Doubt.UNPROVEN)):
        judged = judge(day(10), 0, NOW, calendar(), resumed, "r", {"r": began})
        assert judged.doubt is doubt
    assert judge(day(2), 0, NOW, calendar(), [], "r").doubt is None


@pytest.mark.parametrize(
    ("zone", "ago", "complete"),
    [("UTC", 13, None), ("UTC", 14, "2026-11-07T00:00"), ("America/New_York", 14, "2026-11-06T05")],
)
def test_a_cut_window_is_complete_from_the_tenant_s_next_midnight(
    zone: str, ago: int, complete: str | None
) -> None:
    # At 04:00 UTC it is still the day before in New York.
    now = NOW.replace(hour=4) if zone != "UTC" else NOW
    judged = judge(day(ago), 5, now, calendar(14, zone), [], "r")
    assert (judged.doubt is Doubt.PARTIAL) == (complete is not None)
    found = judged.complete_from
    assert complete is None or (found is not None and found.isoformat().startswith(complete))


def test_later_evidence_settles_doubts_and_the_first_window_with_rows_is_in_doubt_itself() -> None:
    unproven = [replace(unit(ago, 0), doubt=Doubt.UNPROVEN) for ago in (20, 19)]
    assert changed_doubts([*unproven, unit(18, 7), unit(17, 8)], calendar()) == {
        "18": Doubt.PARTIAL
    }
    # Those between landed before the tenant forgot more: they prove nothing about a later one.
    landed, later = [unit(18, 7), unit(17, 8)], unit(16, 9, "later", NOW + DAY)
    assert changed_doubts([*unproven, *landed, later], calendar()) == dict.fromkeys(
        ("18", "16"), Doubt.PARTIAL
    )
    accepted = [replace(each, accepted_at=NOW) for each in unproven]
    assert changed_doubts([*accepted, *landed, later], calendar()) == {"18": Doubt.PARTIAL}
    older = unit(25, 3, "later", NOW + DAY)
    assert changed_doubts([older, *unproven, unit(18, 7)], calendar()) == {"20": None, "19": None}
    assert changed_doubts(unproven, calendar(30)) == {"20": None, "19": None}
    assert set(unjudged([unit(20, 0), unit(19, 0)], calendar(14)).values()) == {Doubt.UNPROVEN}


@settings(max_examples=sampled(60))
@given(rows=st.lists(st.sampled_from([0, 0, 3, 1500, 4000]), max_size=14))
def test_conspicuous_windows_are_those_among_thousands(rows: list[int]) -> None:
    landed = [unit(40 - place, count) for place, count in enumerate(rows)]
    expected = []
    for place, count in enumerate(rows):
        before = [other for other in rows[:place] if other][-2:]
        after = [other for other in rows[place + 1 :] if other][:2]
        near = sorted(before + after)
        middle = (near[(len(near) - 1) // 2] + near[len(near) // 2]) / 2 if near else 0
        if not count and middle >= 1000:
            expected.append(landed[place].unit)
    assert [each.unit for each in conspicuous(landed)] == expected
