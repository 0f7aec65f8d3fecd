"""How often the tenant is asked whether an export is ready."""

from concurrent.futures import wait
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import UnavailableError
from connectors.ledger import open_ledger
from tests.landing import Place, Use, place

TAKES = 40.0


def landing(made: Place, day: int) -> tuple[int, list[float]]:
    """Land a day; return the polls that it took, and the pauses before them."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        # What the tenant computes does not wait for its clock.
        wait([export.future for export in made.tenant.exports._exports.values()])
        made.tenant.clock.advance(timedelta(seconds=seconds))

    asked = made.tenant.requests["status"]
    plan = made.plan("crashes", window_from=f"2026-11-{day}", window_to=f"2026-11-{day + 1}")
    made.land(plan, sleep=sleep)
    return made.tenant.requests["status"] - asked, slept


def test_the_first_poll_comes_when_the_last_exports_were_ready(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, devices=10, export_time=TAKES) as made:
        use(made)
        polls, slept = landing(made, 12)
        assert slept[0] < 0.31
        assert polls > 8
        later = [landing(made, day) for day in range(13, 19)]
    assert [polls <= 3 for polls, _ in later] == [True] * 6
    assert sum(polls for polls, _ in later) <= 10
    # It never waits much longer than the tenant takes, however long it had waited at first.
    assert all(sum(slept) < TAKES * 1.5 for _, slept in later)
    assert sum(later[-1][1]) < TAKES * 1.3


def test_an_export_that_was_begun_by_another_run_is_asked_for_at_once(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, devices=10) as made:
        use(made)
        with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
            ledger.journal.took("crashes", 30)

        def die(_: float) -> None:
            made.tenant.clock.advance(timedelta(seconds=31))
            raise UnavailableError("stopped")

        plan = made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
        with pytest.raises(UnavailableError):
            made.land(plan, sleep=die)
        assert landing(made, 18) == (1, [])
        assert made.tenant.requests["export"] == 1
