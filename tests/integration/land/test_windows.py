"""Windows, end to end on the stand-in tenant: schedules, watermarks, back-fills, truncation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.catalogue import load_dataset
from connectors.errors import (
    DataRefusedError,
    HeldError,
    LimitReachedError,
    PartlyDoneError,
    ResultTruncatedError,
    UsageError,
)
from connectors.ledger import Ledger, open_ledger
from nxp.landing import print_report
from tasks.exports.windows import literal
from tasks.land.asked import Only
from tasks.land.backfill import begin_backfill
from tasks.land.pieces import fetch_pieces
from tasks.land.report import build_report
from tasks.land.run import open_run
from tasks.land.units import LandedUnits, land
from tasks.runs.progress import Progress, listening
from tasks.stories.export import land_unit
from tests.landing import NOW, Place, Use, catalogue, place, truth

ORDER = ["crashed_at", "device_uid", "binary_uid", "user_uid"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def ledger_of(made: Place) -> Iterator[Ledger]:
    opened = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu")
    try:
        yield opened
    finally:
        opened.close()


def watermark(made: Place, dataset: str) -> datetime | None:
    with ledger_of(made) as ledger:
        mark = ledger.marks.watermark(dataset)
        return mark.position if mark else None


def crashes_between(made: Place, start: str, end: str, zone: str = "UTC") -> pl.DataFrame:
    """Return the tenant's own rows of [start, end), as they land."""
    specification = load_dataset(Path(made.environment["NXP_CATALOG"]), "crashes")
    bounds = {
        name: literal(at(f"{day}T00:00Z"), ZoneInfo(zone))
        for name, day in (("from", start), ("to", end))
    }
    time_of = pl.col("crashed_at").dt.convert_time_zone("UTC").dt.truncate("1s")
    frame = truth(made, specification, bounds).with_columns(time_of.cast(pl.Datetime("us", "UTC")))
    return frame.filter(pl.col("crashed_at") < at(f"{end}T00:00Z")).select(ORDER).sort(ORDER)


def assert_landed(made: Place, there: pl.DataFrame) -> None:
    """Assert that manifest and plain glob both have exactly the rows."""
    assert len(there) > 0
    assert_frame_equal(made.landed("crashes").select(ORDER).sort(ORDER), there)
    assert_frame_equal(made.globbed("crashes").select(ORDER).sort(ORDER), there)


def window_of(**changes: Any) -> dict[str, Any]:
    """Return the window settings of the shipped crashes, with changes."""
    window = {"column": "crashed_at", "from": "from", "to": "to", "step": "1d", "reach": "30d"}
    return {"window": {**window, **changes}}


def test_a_scheduled_export_lands_every_missing_window_and_moves_the_watermark(
    tmp_path: Path, use: Use
) -> None:
    catalogue(tmp_path, {}, crashes=window_of(start="2026-11-14"))
    with place(tmp_path) as made:
        use(made)
        early = at("2026-11-16T09:00Z")
        assert len(made.land(made.plan("crashes", now=early), early)) == 2
        assert watermark(made, "crashes") == at("2026-11-16T00:00Z")
        assert made.plan("crashes", now=early).units == ()
        assert len(made.land(made.plan("crashes"))) == 4
        assert watermark(made, "crashes") == at("2026-11-20T00:00Z")
        assert_landed(made, crashes_between(made, "2026-11-14", "2026-11-20"))


def test_a_back_fill_leaves_the_watermark_and_the_next_schedule_counts_it(
    tmp_path: Path, use: Use
) -> None:
    catalogue(tmp_path, {}, crashes=window_of(start="2026-11-14"))
    with place(tmp_path) as made:
        use(made)
        early = at("2026-11-15T09:00Z")
        made.land(made.plan("crashes", now=early), early)
        made.land(made.plan("crashes", window_from="2026-11-15", window_to="2026-11-18"))
        assert watermark(made, "crashes") == at("2026-11-15T00:00Z")
        assert len(made.land(made.plan("crashes"))) == 2
        assert watermark(made, "crashes") == at("2026-11-20T00:00Z")


def test_late_rows_come_with_lookback(tmp_path: Path, use: Use) -> None:
    catalogue(tmp_path, {}, crashes=window_of(start="2026-11-17", lookback="2d"))
    with place(tmp_path, devices=200, late_share=0.5) as made:
        use(made)
        early = at("2026-11-18T09:00Z")
        made.land(made.plan("crashes", now=early), early)
        made.land(made.plan("crashes"))
        made.land(made.plan("crashes"))
        assert_landed(made, crashes_between(made, "2026-11-17", "2026-11-20"))
        with ledger_of(made) as ledger:
            runs = {record.unit[:8]: record.run_id for record in ledger.units("crashes")}
        assert len(set(runs.values())) == 1


def test_a_lost_gap_is_told_and_given_up_by_a_new_start(tmp_path: Path, use: Use) -> None:
    catalogue(tmp_path, {}, crashes=window_of(reach="3d"))
    with place(tmp_path) as made:
        use(made)
        early = at("2026-11-14T09:00Z")
        made.land(made.plan("crashes", now=early), early)
        with pytest.raises(
            PartlyDoneError,
            match=r"3 missing windows.*--from 2026-11-17T00:00:00Z; 1 windows are partial",
        ):
            made.land(made.plan("crashes"))
        assert watermark(made, "crashes") == at("2026-11-14T00:00Z")
        with ledger_of(made) as ledger:
            start = at("2026-11-18T00:00Z")
            ledger.marks.set_watermark("crashes", start, start)
        made.land(made.plan("crashes"))
        assert watermark(made, "crashes") == at("2026-11-20T00:00Z")


def test_a_truncated_window_is_halved_until_it_is_whole(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, devices=400, row_limit=40) as made:
        use(made)
        there = crashes_between(made, "2026-11-18", "2026-11-20")
        assert len(there) > 120
        outcomes = made.land(made.plan("crashes", window_from="2026-11-18", window_to="2026-11-20"))
        assert [outcome.parts > 2 for outcome in outcomes] == [True, True]
        assert_landed(made, there)
        manifest = made.lake.manifest("crashes")
        assert manifest is not None
        assert [len(entry.files) for entry in manifest.entries] == [1, 1]


def test_a_window_that_cannot_be_split_further_fails_and_the_others_land(
    tmp_path: Path, use: Use
) -> None:
    catalogue(tmp_path, {}, crashes=window_of(min_step="12h"))
    with place(tmp_path, devices=400) as made:
        use(made)
        made.land(made.plan("crashes", window_from="2026-11-17", window_to="2026-11-19"))
        before = made.landed("crashes")
    with place(tmp_path, devices=400, row_limit=5, now=NOW + timedelta(hours=1)) as made:
        use(made)
        with pytest.raises(ResultTruncatedError, match=r"even .* \(min_step 12h\).*206") as caught:
            made.land(made.plan("crashes", window_from="2026-11-17", window_to="2026-11-19"))
        assert str(caught.value).startswith("crashes: 0 of 2 windows landed, 2 failed, the first: ")
        assert "add shards, or make min_step smaller" in str(caught.value)
        assert str(caught.value).endswith("see nxp datasets crashes")
        assert_frame_equal(made.landed("crashes"), before)


def test_an_interrupted_split_goes_on_with_the_exports_it_has(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, devices=400, row_limit=60) as made:
        use(made)
        plan = made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
        with open_run(plan, clock=made.tenant.clock.now) as run:
            run.spool.mkdir(parents=True)
            pieces = fetch_pieces(run, plan.units[0], set())
            begun = [next(pieces)[0].name for _ in range(2)]
        assert len(set(begun)) == 2
        (outcome,) = made.land(plan)
        assert outcome.attached
        divisions = outcome.parts - 1
        assert made.tenant.requests["export"] == outcome.parts + divisions
        assert_landed(made, crashes_between(made, "2026-11-18", "2026-11-19"))


def test_an_own_row_limit_splits_where_the_tenant_says_nothing(
    tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, devices=400) as made:
        use(made)
        there = crashes_between(made, "2026-11-18", "2026-11-19")
        monkeypatch.setenv("NEXTHINK_EXPORT_ROW_LIMIT", str(len(there)))
        plan = made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
        (outcome,) = made.land(plan)
        assert outcome.parts >= 2
        assert outcome.rows_read == outcome.rows_landed + outcome.rows_outside
        assert_landed(made, there)


SHARDED = """execution.crashes during past 720h
| where crash.time >= $from and crash.time <= $to and device.operating_system.platform {} $platform
| list crash.time, crash.number_of_crashes, crash.crash_on_start, crash.binary_path,
  crash.process_visibility, device.uid, device.name, user.uid,
  binary.uid, binary.name, binary.version
"""


def sharded(folder: Path, **changes: Any) -> None:
    """Declare crashes in two shards, one of which takes what the other leaves."""
    whole = load_dataset(catalogue(folder / "shipped", {}), "crashes")
    columns = [
        {**column.model_dump(mode="json"), "key": column.name in ORDER[:3]}
        for column in whole.columns
    ]
    shards = [
        {"name": "windows", "query_id": "#crashes_on", "parameters": {"platform": "windows"}},
        {"name": "rest", "query_id": "#crashes_not_on", "parameters": {"platform": "windows"}},
    ]
    queries = {"crashes_on": SHARDED.format("="), "crashes_not_on": SHARDED.format("!=")}
    catalogue(
        folder,
        queries,
        crashes={**window_of(step="1d", min_step="1d"), "columns": columns, "shards": shards}
        | changes,
    )


def test_shards_divide_what_time_does_not(tmp_path: Path, use: Use) -> None:
    sharded(tmp_path)
    with place(tmp_path, devices=400) as made:
        use(made)
        there = crashes_between(made, "2026-11-18", "2026-11-19").unique(ORDER[:3])
        rows = len(there)
    with place(tmp_path, devices=400, row_limit=rows - 1) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
        (outcome,) = made.land(made.plan("crashes", **asked))
        assert outcome.parts == 2
        assert len(made.landed("crashes")) == rows
        assert_frame_equal(
            made.landed("crashes").select(ORDER[:3]).sort(ORDER[:3]),
            there.select(ORDER[:3]).sort(ORDER[:3]),
        )


def test_shards_that_are_too_large_themselves_are_not_advised(tmp_path: Path, use: Use) -> None:
    sharded(tmp_path)
    with place(tmp_path, devices=400, row_limit=5) as made:
        use(made)
        with pytest.raises(ResultTruncatedError, match=r"shard windows.*divide its shards further"):
            made.land(made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19"))


def test_several_windows_that_fail_beside_one_that_lands_are_counted(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, devices=400) as made:
        use(made)
        made.land(made.plan("crashes", window_from="2026-11-16", window_to="2026-11-18"))
    with place(tmp_path, devices=40, now=NOW + timedelta(hours=1)) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-16", "window_to": "2026-11-19"}
        words = r"1 of 3 windows landed, 2 failed, the first: .*accept_shrink.*see nxp datasets cra"
        with pytest.raises(PartlyDoneError, match=words):
            made.land(made.plan("crashes", **asked))


def test_slices_land_days_of_the_tenant(tmp_path: Path, use: Use) -> None:
    with place(
        tmp_path, time_zone="Europe/Zurich", now=datetime(2026, 10, 28, 9, tzinfo=UTC)
    ) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-10-23", "window_to": "2026-10-28"}
        outcomes = made.land(made.plan("device_performance", **asked))
        assert len(outcomes) == 5
        manifest = made.lake.manifest("device_performance")
        assert manifest is not None
        hours = [(e.ends_at - e.starts_at) / timedelta(hours=1) for e in manifest.entries]
        assert hours == [24, 24, 25, 24, 24]
        places = [{f.path.partition("/")[0] for f in e.files} for e in manifest.entries]
        assert places == [{f"date=2026-10-{day}"} for day in range(23, 28)]
        landed = made.landed("device_performance")
        truths = pl.concat(
            [made.tenant.frame(f"#device_performance_{n}d", {}) for n in range(1, 6)]
        )
        assert len(landed) == len(truths) > 0
        assert landed["device_uid"].sort().equals(truths["device.uid"].sort().alias("device_uid"))
        with pytest.raises(UsageError, match="out of reach"):
            made.plan("device_performance", window_from="2026-10-20", window_to="2026-10-28")
        # All that is over has landed, and late rows are exported only in the next step.
        assert made.plan("device_performance").units == ()


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        (datetime(2026, 10, 28, 9, tzinfo=UTC), "2026-10-24", "2026-10-26"),
        pytest.param(
            datetime(2026, 4, 1, 9, tzinfo=UTC), "2026-03-28", "2026-03-31", marks=pytest.mark.slow
        ),
    ],
)
def test_hours_in_zurich_over_both_clock_changes(
    tmp_path: Path, use: Use, now: datetime, start: str, end: str
) -> None:
    with place(
        tmp_path, devices=300, now=now, time_zone="Europe/Zurich", datetime_format="utc"
    ) as made:
        use(made)
        plan = made.plan("crashes", window_from=start, window_to=end, step="1h", only=Only.MISSING)
        made.land(plan)
        manifest = made.lake.manifest("crashes")
        assert manifest is not None
        assert_landed(made, crashes_between(made, start, end, "Europe/Zurich"))
        ends = [entry.ends_at for entry in manifest.entries]
        assert [entry.starts_at for entry in manifest.entries][1:] == ends[:-1]


def test_a_back_fill_does_only_what_is_left(tmp_path: Path, use: Use) -> None:
    with place(tmp_path) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-14", "window_to": "2026-11-19"}
        made.land(made.plan("crashes", window_from="2026-11-15", window_to="2026-11-17"))
        plan = made.plan("crashes", **asked, only=Only.MISSING)
        assert [str(unit) for unit in plan.units] == [
            "2026-11-14..2026-11-15",
            "2026-11-17..2026-11-18",
            "2026-11-18..2026-11-19",
        ]
        made.land(plan)
        assert made.plan("crashes", **asked, only=Only.MISSING).units == ()
        assert len(made.plan("crashes", **asked, only=Only.ALL).units) == 5
        assert made.plan("crashes", **asked, only=Only.FAILED).units == ()


def test_a_back_fill_of_all_that_was_interrupted_goes_on(tmp_path: Path, use: Use) -> None:
    with place(tmp_path) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-14", "window_to": "2026-11-19"}
        made.land(made.plan("crashes", **asked))
        plan = made.plan("crashes", **asked, only=Only.ALL)
        with open_run(plan, clock=made.tenant.clock.now) as run:
            begin_backfill(run)
            land(replace(run, plan=replace(plan, units=plan.units[:2])), land_unit)
        again = made.plan("crashes", **asked, only=Only.ALL)
        assert again.units == plan.units[2:]
        made.land(again)
        assert made.plan("crashes", **asked, only=Only.ALL).units == plan.units


def test_a_window_that_fails_leaves_the_others_and_only_failed_finds_it(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, devices=400) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-16", "window_to": "2026-11-19"}
        plan = made.plan("crashes", **asked)
        unit = plan.units[1]
        with (
            open_run(plan, clock=made.tenant.clock.now) as run,
            run.ledger.lease("crashes", unit.name, unit.starts_at, unit.ends_at, run.run_id),
            pytest.raises(PartlyDoneError, match=r"2 of 3 windows landed, then: .* is held by"),
        ):
            made.land(plan, sleep=lambda _: None)
        assert [str(u) for u in made.plan("crashes", **asked, only=Only.MISSING).units] == [
            str(unit)
        ]


def test_what_another_run_landed_meanwhile_is_not_landed_again(
    tmp_path: Path, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    with place(tmp_path) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
        slow = made.plan("crashes", **asked)
        made.land(made.plan("crashes", **asked))
        exports = made.tenant.requests["export"]
        with open_run(slow, clock=made.tenant.clock.now) as run:
            outcome = land_unit(run, slow.units[0])
            print_report(build_report(run, LandedUnits([outcome])).plain())
        assert outcome.skipped
        said = "20261118T000000Z-20261119T000000Z was landed by another run first"
        assert said in capsys.readouterr().err
        assert made.tenant.requests["export"] == exports


def test_windows_that_another_run_holds_and_lands_meanwhile_are_skipped(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path) as made, ledger_of(made) as ledger, ExitStack() as held:
        use(made)
        plan = made.plan("crashes", window_from="2026-11-16", window_to="2026-11-19")
        for unit in plan.units:
            held.enter_context(
                ledger.lease("crashes", unit.name, unit.starts_at, unit.ends_at, "another")
            )
        with pytest.raises(
            HeldError, match=r"0 of 3 windows landed, 3 failed.*held by run another"
        ):
            made.land(plan, sleep=lambda _: None)

        def meanwhile(_seconds: float) -> None:
            held.close()
            made.land(plan)

        outcomes = made.land(plan, sleep=meanwhile)
        assert [outcome.skipped for outcome in outcomes] == [True, True, True]
        assert made.tenant.requests["export"] == 3


def test_a_run_that_lost_its_lease_leaves_what_the_winner_recorded(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, devices=400, row_limit=5) as made, ExitStack() as opened:
        use(made)
        plan = made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
        (unit,) = plan.units
        window = ("crashes", unit.name)

        def later() -> datetime:
            return made.tenant.clock.now() + timedelta(minutes=5)

        ledger = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu", later)
        opened.callback(ledger.close)

        def win(_progress: Progress) -> None:
            with ledger.lease(*window, unit.starts_at, unit.ends_at, "winner"):
                ledger.mark_landed(*window, "winner", 7, later())

        with (
            open_run(plan, clock=made.tenant.clock.now) as run,
            listening(win),
            pytest.raises(ResultTruncatedError),
        ):
            land_unit(run, unit)
        record = ledger.unit(*window)
        assert record is not None
        assert (record.run_id, record.last_error) == ("winner", None)


def test_before_the_time_that_a_limit_names_nothing_is_asked(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, fault_retry_after=900) as made:
        use(made)
        made.tenant.faults.add("429-seconds@export:1")
        asked: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
        with pytest.raises(LimitReachedError):
            made.land(made.plan("crashes", **asked))
        asked_so_far = made.tenant.requests["export"]
        with pytest.raises(LimitReachedError, match="allows the next try at"):
            made.land(made.plan("crashes", **asked))
        assert made.tenant.requests["export"] == asked_so_far
        with ledger_of(made) as ledger:
            (record,) = ledger.units("crashes")
        assert record.state == "pending"


def test_a_limit_holds_for_all_windows_and_datasets_of_the_tenant(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, fault_retry_after=900) as made:
        use(made)
        made.tenant.faults.add("429-seconds@export:1")
        asked: dict[str, Any] = {"window_from": "2026-11-15", "window_to": "2026-11-19"}
        with pytest.raises(LimitReachedError):
            made.land(made.plan("crashes", **asked, concurrency=1))
        asked_so_far = made.tenant.requests["export"]
        for plan in (made.plan("crashes", **asked), made.plan("devices")):
            with pytest.raises(LimitReachedError, match=r"next try at .*nxp state reset"):
                made.land(plan)
        assert made.tenant.requests["export"] == asked_so_far
        with ledger_of(made) as ledger:
            ledger.forget_failures("crashes")
        made.land(made.plan("devices"))


def test_another_step_never_doubles_or_loses_a_row_and_never_cuts_a_window(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, devices=200) as made:
        use(made)
        asked: dict[str, Any] = {"window_from": "2026-11-15", "window_to": "2026-11-17"}
        there = crashes_between(made, "2026-11-15", "2026-11-17")
        for step in ("6h", "12h", "1d", "2d"):
            made.land(made.plan("crashes", **asked, step=step, only=Only.ALL))
            assert_landed(made, there)
        exports = made.tenant.requests["export"]
        with pytest.raises(DataRefusedError, match=r"would cut the landed window 2026-11-15\.\."):
            made.plan("crashes", **asked, step="1d", only=Only.ALL)
        assert made.plan("crashes", **asked, step="1d", only=Only.MISSING).units == ()
        assert made.tenant.requests["export"] == exports


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"window_from": "2026-11-18"}, "two dates, from and to"),
        ({"step": "6h"}, "belong to a back-fill"),
        ({"window_from": "2026-11-18", "window_to": "2026-11-19", "step": "5h"}, "divide a day"),
        ({"window_from": "2026-11-18", "window_to": "2026-11-19", "step": "soon"}, "^step 'soon'"),
        ({"window_from": "2026-11-18", "window_to": "2026-11-19", "concurrency": 0}, "from 1 to"),
        (
            {"window_from": "2026-11-18", "window_to": "2026-11-19", "full_refresh": True},
            "takes no dates",
        ),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    here: Place, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        here.plan("crashes", **asked)


def test_two_runs_of_one_window_at_once_land_it_once(tmp_path: Path, use: Use) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with place(tmp_path, export_time=0.5) as made:
        use(made)
        plans = [
            made.plan("crashes", window_from="2026-11-18", window_to="2026-11-19") for _ in range(2)
        ]

        def run(n: int) -> str:
            return "skipped" if made.land(plans[n])[0].skipped else "landed"

        with ThreadPoolExecutor(2) as pool:
            ended = sorted(pool.map(run, range(2)))
        assert ended == ["landed", "skipped"]
        assert_landed(made, crashes_between(made, "2026-11-18", "2026-11-19"))
