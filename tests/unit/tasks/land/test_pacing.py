"""When exports can be started under a limit, and which step needs fewer of them."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from connectors.ledger import UnitRecord
from tasks.exports.windows import Window
from tasks.land.pacing import longest_step, pace

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2026, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(5))
def test_the_last_export_is_started_as_early_as_the_limit_allows(seed: int) -> None:
    chance = random.Random(seed)
    limit, exports = chance.randint(1, 24), chance.randint(1, 60)
    ages = sorted((chance.randint(0, 1400) for _ in range(chance.randint(0, limit))), reverse=True)
    used = [(NOW - timedelta(minutes=age), 1) for age in ages]
    found = pace(exports, used, limit, NOW)
    assert found.at_once == min(exports, limit - len(used))
    # The same, minute by minute.
    started, moment = [minute for minute, _ in used], NOW
    left = exports
    while True:
        free = limit - sum(each + DAY + timedelta(minutes=1) > moment for each in started)
        started += [moment] * min(free, left)
        left -= min(free, left)
        if not left:
            break
        moment += timedelta(minutes=1)
    assert found.done_at == moment


def test_without_a_limit_all_are_started_at_once() -> None:
    assert pace(99, [(NOW, 500)], None, NOW).done_at == NOW


def landed(hours: int, rows: int | None) -> UnitRecord:
    end = START + hours * HOUR
    state = ("landed", None, None, rows, None, None, None, None)
    return UnitRecord("u", START, end, *state)


@pytest.mark.parametrize(
    ("step", "days", "rows", "limit", "longest"),
    [
        # A thousand rows an hour: a day has 24,000.
        (HOUR, 4, 1_000, None, DAY),
        (HOUR, 4, 1_000, 10_000, 8 * HOUR),
        (HOUR, 4, 1_000, 1_500, None),
        (DAY, 6, 1_000, None, 6 * DAY),
        # Bounds have to lie on the step, counted from 1970.
        (DAY, 5, 1_000, None, None),
        (HOUR, 4, None, None, None),
        (HOUR, 4, 0, None, None),
    ],
)
def test_the_longest_step_stays_under_the_row_limit(
    step: timedelta, days: int, rows: int | None, limit: int | None, longest: timedelta | None
) -> None:
    # The day number is a multiple of 6, or of none.
    begin = datetime(1970, 1, 1, tzinfo=UTC) + (18_001 if days == 5 else 18_000) * DAY
    stretch = Window(begin, begin + days * DAY)
    records = [landed(1, rows), landed(24, 24_000 if rows else rows)]
    assert longest_step(stretch, step, records, limit) == longest
