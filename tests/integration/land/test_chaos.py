"""kill -9 at random moments: nothing is half-published, and the next run lands exactly the rows."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.catalogue import load_dataset
from connectors.ledger import open_ledger
from tasks.exports.windows import literal
from tests.forks import fork
from tests.landing import CATALOG, Place, catalogue, place, truth

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "60"))
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
NOW = datetime(2026, 10, 28, 9, tzinfo=UTC)
PERIOD = ("2026-10-23", "2026-10-27")
BOUNDS = (datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC))
ZURICH = ZoneInfo("Europe/Zurich")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A tenant in Zurich just after the end of summer time, where one window has two files."""
    folder = tmp_path_factory.mktemp("chaos")
    with place(
        folder,
        devices=300,
        now=NOW,
        time_zone="Europe/Zurich",
        datetime_format="utc",
        export_time=0.2,
    ) as tenant:
        yield tenant


def start(made: Place, now: datetime = NOW, *asked: str, **env: str) -> subprocess.Popen[str]:
    """Start a landing, and wait until its imports are done."""
    environment = {**os.environ, **made.environment, **env}
    words = ("crashes", *(asked or PERIOD))
    process = fork(
        "tests.land_once", now.isoformat(), *words, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "ready\n"
    return process


def expected(made: Place) -> pl.DataFrame:
    """Return the rows of the whole period."""
    specification = load_dataset(Path(made.environment["NXP_CATALOG"]), "crashes")
    bounds = {name: literal(at, ZURICH) for name, at in zip(("from", "to"), BOUNDS, strict=True)}
    frame = truth(made, specification, bounds)
    time_of = pl.col("crashed_at").dt.convert_time_zone("UTC").dt.truncate("1s")
    return frame.with_columns(time_of.cast(pl.Datetime("us", "UTC"))).filter(
        pl.col("crashed_at") < BOUNDS[1]
    )


def assert_whole(made: Place, rows_of_unit: dict[str, int]) -> None:
    """Assert that every unit in the manifest is complete, and from one run."""
    manifest = made.lake.manifest("crashes")
    for entry in manifest.entries if manifest else ():
        folder = made.lake.dataset_folder("crashes")
        frames = [pl.read_parquet(folder / file.path) for file in entry.files]
        frame = pl.concat(frames)
        assert len(frame) == rows_of_unit.get(entry.unit, len(frame))
        assert frame["_nxp_run_id"].n_unique() == 1
        rows_of_unit.setdefault(entry.unit, len(frame))


def test_random_kills_leave_whole_units_and_the_next_run_lands_exactly_the_rows(
    made: Place,
) -> None:
    chance = random.Random(SEED)
    assert start(made).wait() == 0
    # Not of the first run, which makes the ledger too: later ones would be over before their kill.
    timed = start(made)
    began = time.monotonic()
    assert timed.wait() == 0
    undisturbed = time.monotonic() - began
    there = expected(made)
    rows_of_unit: dict[str, int] = {}
    assert_whole(made, rows_of_unit)
    assert len(rows_of_unit) == 3
    killed = 0
    for _ in range(KILLS):
        victim = start(made)
        time.sleep(chance.uniform(0, undisturbed))
        victim.kill()
        killed += victim.wait() != 0
        assert_whole(made, rows_of_unit)
    assert killed > KILLS // 3
    assert start(made).wait() == 0
    landed = made.landed("crashes")
    order = ["crashed_at", "device_uid", "binary_uid", "user_uid"]
    assert len(landed) == len(there)
    assert_frame_equal(landed.select(order).sort(order), there.select(order).sort(order))
    assert_frame_equal(landed.sort(order), made.globbed("crashes").sort(order))
    assert not any((made.folder / "home" / "spool").iterdir())
    assert not any((made.lake.folder / "_staging").iterdir())
    assert made.tenant.leaks == []


BACKFILL_KILLS = int(os.environ.get("NXP_CHAOS_BACKFILL_KILLS", "20"))
BACKFILL = ("2026-08-22", "2026-11-20", "missing")
BACKFILL_NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_a_90_day_back_fill_killed_at_random_ends_equal_to_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    query = (CATALOG / "queries" / "crashes.nql").read_text("utf-8").replace("720h", "2184h")
    window = {"column": "crashed_at", "from": "from", "to": "to", "step": "1d", "reach": "91d"}
    catalogue(tmp_path, {"crashes": query}, crashes={"window": window})
    with place(
        tmp_path, devices=100, days=91, retention=91, reach_limit=None, now=BACKFILL_NOW
    ) as made:
        undisturbed = {
            "NXP_HOME": str(tmp_path / "undisturbed"),
            "NXP_LAKE": str(tmp_path / "undisturbed" / "lake"),
            "NXP_LEDGER_URL": f"sqlite:///{tmp_path / 'undisturbed.db'}",
        }
        began = time.monotonic()
        assert start(made, BACKFILL_NOW, *BACKFILL, **undisturbed).wait() == 0
        length = time.monotonic() - began
        chance, kills, exports = random.Random(SEED), 0, made.tenant.requests["export"]
        assert exports == 90
        for _ in range(BACKFILL_KILLS):
            victim = start(made, BACKFILL_NOW, *BACKFILL)
            time.sleep(chance.uniform(0, length / 8))
            victim.kill()
            kills += victim.wait() != 0
        assert kills > BACKFILL_KILLS // 2
        assert start(made, BACKFILL_NOW, *BACKFILL).wait() == 0
        there = Place(made.tenant, tmp_path, {**made.environment, **undisturbed})
        order = ["crashed_at", "device_uid", "binary_uid", "user_uid"]
        assert len(there.landed("crashes")) > 100
        assert_frame_equal(made.landed("crashes").sort(order), there.landed("crashes").sort(order))
        assert_frame_equal(made.globbed("crashes").sort(order), there.landed("crashes").sort(order))
        assert [entry.unit for entry in made.lake.manifest("crashes").entries] == [  # type: ignore[union-attr]
            entry.unit
            for entry in there.lake.manifest("crashes").entries  # type: ignore[union-attr]
        ]
        # What landed is not landed again; only exports that were just being sent are wasted.
        assert made.tenant.requests["export"] - exports <= 90 + 2 * kills


RETENTION_ROUNDS = int(os.environ.get("NXP_CHAOS_RETENTION_ROUNDS", "6"))
# Each run's clock is later than that of the run before, as it is in life.
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
REACH = timedelta(days=25)
REACHED = (f"{TODAY - REACH:%Y-%m-%d}", f"{TODAY:%Y-%m-%d}", "missing")


def doubtless(made: Place) -> dict[str, int | None]:
    """Return the rows of each window that the ledger calls done, by the day it begins."""
    with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
        records = ledger.units("crashes")
    return {
        f"{each.starts_at:%Y-%m-%d}": each.rows_landed
        for each in records
        if each.landed_at is not None and each.doubt is None
    }


def by_day(frame: pl.DataFrame) -> dict[str, int]:
    """Count rows by the day of the crash."""
    days = frame.select(pl.col("crashed_at").dt.strftime("%Y-%m-%d"))
    return dict(days.group_by("crashed_at").len().iter_rows())


def landed_by_day(made: Place) -> dict[str, int]:
    """Count the rows in the lake by the day of the crash."""
    manifest = made.lake.manifest("crashes")
    has_rows = manifest and any(entry.files for entry in manifest.entries)
    return by_day(made.landed("crashes")) if has_rows else {}


@pytest.mark.parametrize("seed", range(RETENTION_ROUNDS))
def test_killed_back_fills_of_a_tenant_that_forgets_more_and_more_call_no_gap_done(
    tmp_path: Path, seed: int
) -> None:
    """Neither the tenant's retention nor that it is shortened is known to the installation."""
    chance = random.Random(SEED * 1_000 + seed)
    with place(tmp_path, devices=120, days=30, retention=30, now=None) as made:
        specification = load_dataset(Path(made.environment["NXP_CATALOG"]), "crashes")
        bounds = {"from": f"{REACHED[0]} 00:00:00", "to": f"{REACHED[1]} 00:00:00"}
        there = by_day(truth(made, specification, bounds).filter(pl.col("crashed_at") < TODAY))
        assert len(there) > REACH.days - 4
        landed: dict[str, int] = {}
        for retention in (14, 10, 7):
            made.tenant.engine.keep_for(timedelta(days=retention))
            for _ in range(chance.randint(1, 3)):
                victim = start(made, datetime.now(UTC), *REACHED)
                time.sleep(chance.uniform(0, 2))
                victim.kill()
                victim.wait()
                now = landed_by_day(made)
                lost = {day for day, rows in landed.items() if now.get(day, 0) < rows}
                assert not lost, f"{lost} had more rows before"
                landed = now
                done = doubtless(made)
                false = {day for day, rows in done.items() if not rows and there.get(day)}
                assert not false, f"{false} have no rows and count as done"
        assert start(made, datetime.now(UTC), *REACHED).wait() == 1
        now = landed_by_day(made)
        assert {day for day, rows in landed.items() if now.get(day, 0) < rows} == set()
        done = doubtless(made)
        assert {day: rows for day, rows in done.items() if rows != there.get(day, 0)} == {}
        # What the tenant had all along has landed, and nothing is left that nobody knows of.
        assert set(sorted(there)[-5:]) <= now.keys()
