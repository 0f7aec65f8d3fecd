"""Chunks of units, each shown as one step from its first unit to its last."""

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from connectors.errors import DataRefusedError
from tasks.exports.windows import Window, named
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.steps import Steps, StepsByChunk, UnitChunk, steps_of

START = datetime(2026, 11, 1, tzinfo=UTC)
UNITS = [
    Unit.of_window(Window(START + timedelta(hours=n), START + timedelta(hours=n + 1)))
    for n in range(25)
]


def land_unit(_run: object, unit: Unit) -> UnitOutcome:
    return UnitOutcome(unit.name, rows_landed=2, wire_bytes=10)


def run() -> Any:
    return SimpleNamespace(plan=SimpleNamespace(units=UNITS), dataset="crashes", named=named)


def test_a_chunk_lasts_from_its_first_unit_to_its_last() -> None:
    before = threading.active_count()
    steps = StepsByChunk(run(), land_unit)
    for unit in UNITS[:10]:
        steps.begin(unit)
    assert threading.active_count() == before + 1
    # The second chunk begins while the first is under way; the last one has five units.
    steps.begin(UNITS[10])
    assert threading.active_count() == before + 2
    for unit in UNITS[:11]:
        steps.end(unit, steps.land_unit(unit))
    steps.close(stopped=False)
    assert threading.active_count() == before


def test_a_chunk_says_what_landed_by_whom_and_what_failed() -> None:
    chunk = UnitChunk(UNITS[:4])
    chunk.count(UNITS[0], land_unit(None, UNITS[0]))
    chunk.count(UNITS[1], UnitOutcome(UNITS[1].name, skipped=True))
    chunk.count(UNITS[2], None)
    assert str(chunk) == (
        "2 of 4 windows, 1 of them by other runs, 1 failed, 2 rows, 10 bytes received"
    )
    assert not chunk.is_done
    # It was held by another run, and has landed on the second try.
    chunk.count(UNITS[2], land_unit(None, UNITS[2]))
    assert "failed" not in str(chunk)


def test_a_plain_run_has_no_steps_and_a_failure_stays_the_runs_own() -> None:
    steps = steps_of(run(), land_unit)
    assert type(steps) is Steps
    assert steps.land_unit(UNITS[0]).rows_landed == 2
    steps.fail(UNITS[0], DataRefusedError("no"))


def test_names_of_windows() -> None:
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert named(START, START + day) == "2026-11-01"
    assert named(START, START + 7 * day) == "2026-11-01..2026-11-08"
    assert named(START, START + hour) == "2026-11-01..2026-11-01T01:00Z"
