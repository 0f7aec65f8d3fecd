"""A tenant forgets: what it has forgotten never lands as if nothing had happened."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.ledger import Doubt, Ledger, UnitRecord, open_ledger
from tests.commands import called
from tests.integration.land.test_windows import window_of
from tests.landing import Place, Use, catalogue, place

# Commands have no other clock than the real one. The tenant's stands at noon in the evening, so
# that of the day which its retention cuts there is enough left to have rows.
NOW = datetime.now(UTC)
NOW = NOW.replace(hour=min(NOW.hour, 12))
RETENTION = "NEXTHINK_TENANT_RETENTION"
WHY = ("--why", "known to have been quiet")


def ago(days: int) -> str:
    """Return the date that many days before today."""
    return f"{NOW - timedelta(days=days):%Y-%m-%d}"


DATES = ("--from", ago(25), "--to", ago(0))


@contextmanager
def ledger_of(made: Place) -> Iterator[Ledger]:
    with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
        yield ledger


def records(made: Place) -> dict[str, UnitRecord]:
    """Return the units of the crashes by the day they begin."""
    with ledger_of(made) as ledger:
        return {f"{each.starts_at:%Y-%m-%d}": each for each in ledger.units("crashes")}


def days(made: Place, doubt: Doubt | None) -> list[str]:
    return [day for day, record in records(made).items() if record.doubt is doubt]


def backfill(capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    return called("backfill", "crashes", *DATES, *more, capsys=capsys)


@pytest.fixture
def forgetful(tmp_path: Path, use: Use) -> Iterator[Place]:
    """Serve a tenant that keeps 14 of its 30 days."""
    with place(tmp_path, days=30, devices=120, now=NOW, retention=14) as made:
        yield use(made)


def test_windows_without_rows_are_not_done_until_a_person_accepts_them(
    forgetful: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    done = backfill(capsys)
    assert done.returncode == 7
    assert "11 windows have no rows" in done.stderr
    assert "nxp state accept crashes" in done.stderr
    assert days(forgetful, Doubt.UNPROVEN)[::10] == [ago(25), ago(15)]
    # The tenant may have forgotten the beginning of the first window that has rows.
    assert days(forgetful, Doubt.PARTIAL) == [ago(14)]
    asked = forgetful.tenant.requests["export"]
    assert backfill(capsys).returncode == 7
    assert forgetful.tenant.requests["export"] == asked + 11
    shown = json.loads(called("state", "show", "crashes", "--json", capsys=capsys).stdout)
    assert (shown["landed"], shown["unproven"], shown["partial"]) == (13, 11, 1)
    assert called("state", "accept", "crashes", *WHY, capsys=capsys).returncode == 0
    again = backfill(capsys)
    assert (again.returncode, "0 to land" in again.stderr) == (0, True)
    assert forgetful.tenant.requests["export"] == asked + 11


def test_a_known_retention_names_the_earliest_date_and_lands_the_window_it_cuts_as_partial(
    forgetful: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RETENTION, "events=14d, inventory=30d")
    refused = backfill(capsys)
    assert refused.returncode == 2
    assert f"begin on {ago(13)}T00:00Z or later" in refused.stderr
    assert not forgetful.tenant.requests["export"]
    dates = ("--from", ago(14), "--to", ago(11))
    cut = called("backfill", "crashes", *dates, "--json", capsys=capsys)
    assert cut.returncode == 7
    assert json.loads(cut.stdout)["partial"] == [records(forgetful)[ago(14)].unit]
    record = records(forgetful)[ago(14)]
    assert (record.doubt, f"{record.complete_from:%Y-%m-%d}") == (Doubt.PARTIAL, ago(13))
    asked = forgetful.tenant.requests["export"]
    again = called("backfill", "crashes", *dates, capsys=capsys)
    assert (again.returncode, "1 windows are partial" in again.stderr) == (7, True)
    assert forgetful.tenant.requests["export"] == asked
    called("state", "accept", "crashes", *WHY, capsys=capsys)
    assert called("backfill", "crashes", *dates, capsys=capsys).returncode == 0


def test_expired_and_partial_windows_hold_the_watermark_until_they_are_accepted(
    tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue(tmp_path, {}, crashes=window_of(start=ago(20)))
    monkeypatch.setenv(RETENTION, "14d")
    with place(tmp_path, days=30, devices=120, now=NOW, retention=14) as made:
        use(made)
        with ledger_of(made) as ledger:
            since = datetime.fromisoformat(f"{ago(16)}T00:00Z")
            ledger.marks.set_watermark("crashes", since, since)
        done = called("export", "crashes", capsys=capsys)
        assert done.returncode == 7
        assert f"2 missing windows, from {ago(16)}" in done.stderr
        assert "1 windows are partial" in done.stderr
        assert [records(made)[ago(day)].state for day in (16, 15)] == ["expired"] * 2
        called("state", "accept", "crashes", *WHY, capsys=capsys)
        reset = called("state", "reset", "crashes", "--from", ago(14), capsys=capsys)
        assert reset.returncode == 0
        assert called("export", "crashes", capsys=capsys).returncode == 0
        with ledger_of(made) as ledger:
            mark = ledger.marks.watermark("crashes")
        assert mark is not None
        assert mark.position > NOW - timedelta(days=2)


@pytest.mark.slow
def test_fewer_rows_never_replace_fuller_ones(
    tmp_path: Path, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    with place(tmp_path, days=30, devices=120, now=NOW, retention=30) as made:
        use(made)
        assert backfill(capsys).returncode == 0
        before = made.landed("crashes")
    with place(tmp_path, days=30, devices=120, now=NOW, retention=7) as made:
        use(made)
        again = backfill(capsys, "--only", "all", "--json")
        assert again.returncode == 7
        assert json.loads(again.stdout)["units"] == 6
        assert made.landed("crashes").height == before.height
        accepted = backfill(capsys, "--only", "all", "--accept-shrink")
        assert (accepted.returncode, made.landed("crashes").height < before.height) == (7, True)


@pytest.mark.slow
def test_what_earlier_versions_landed_without_rows_is_found_and_marked(
    forgetful: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    backfill(capsys)
    with ledger_of(forgetful) as ledger:
        ledger.doubts.set("crashes", [each.unit for each in ledger.units("crashes")], None)
    assert "0 to land" in backfill(capsys).stderr
    found = called("state", "audit", "--json", capsys=capsys)
    assert (found.returncode, len(json.loads(found.stdout))) == (7, 11)
    assert called("state", "audit", "crashes", "--mark", capsys=capsys).returncode == 0
    assert "11 to land" in backfill(capsys, "--dry-run").stderr
