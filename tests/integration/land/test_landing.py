"""Landing whole datasets from the stand-in tenant, without Prefect: exactly its rows land."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.catalogue import load_dataset
from connectors.errors import (
    AccessError,
    DataRefusedError,
    HeldError,
    PartlyDoneError,
    ResultTruncatedError,
    StorageError,
    UnavailableError,
    UnknownQueryError,
)
from connectors.ledger import open_ledger
from connectors.nexthink import Compression
from sandbox.options import Credential
from tasks.exports.windows import literal
from tasks.land.pieces import Piece, request_for
from tasks.land.run import open_run
from tasks.stories.export import land_unit
from tests.landing import CATALOG, Place, Use, foreign_export, place, truth

DAY: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
BOUNDS = {"from": "2026-11-18 00:00:00", "to": "2026-11-19 00:00:00"}


def expected(made: Place, dataset: str, bounds: dict[str, str]) -> pl.DataFrame:
    """Return the tenant's own rows of a half-open window, typed as they land."""
    specification = load_dataset(CATALOG, dataset)
    frame = truth(made, specification, bounds)
    if specification.window:
        column = specification.window.column
        end = datetime.fromisoformat(DAY["window_to"]).replace(tzinfo=UTC)
        frame = frame.filter(pl.col(column).dt.truncate("1s") < end)
    return frame


def same(landed: pl.DataFrame, there: pl.DataFrame) -> None:
    """Compare value by value; the tenant writes date-times to the second and lists as text."""
    columns = []
    for name, kind in landed.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Datetime):
            column = column.dt.truncate("1s").dt.convert_time_zone("UTC").cast(kind)
        elif there.schema[name] in (pl.List(pl.Int64), pl.List(pl.Int32)):
            column = "[" + column.cast(pl.List(pl.String)).list.join(", ") + "]"
        columns.append(column.cast(kind).alias(name))
    there = there.select(columns)
    order = list(landed.columns)
    assert len(landed) > 0
    assert_frame_equal(landed.sort(order), there.sort(order), rel_tol=0, abs_tol=0)


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("dataset", ["devices", "users", "execution_events", "crashes"])
def test_landed_rows_equal_the_tenants_in_every_compression(
    here: Place, dataset: str, compression: Compression
) -> None:
    dated = DAY if dataset in ("execution_events", "crashes") else {}
    bounds = BOUNDS if dated else {}
    outcomes = here.land(here.plan(dataset, compression=compression, **dated))
    same(here.landed(dataset), expected(here, dataset, bounds))
    assert_frame_equal(here.landed(dataset), here.globbed(dataset), check_row_order=False)
    total = outcomes[0]
    assert total.rows_read == total.rows_landed + total.rows_rejected + total.rows_outside
    assert here.tenant.leaks == []


def test_landed_text_equals_what_a_foreign_client_reads(here: Place) -> None:
    here.land(here.plan("users"))
    foreign = foreign_export(here, "#users", {})
    landed = here.landed("users").select("user_uid", "user_name", "full_name", "department", "city")
    headers = ["user.uid", "user.name", "user.ad.full_name", "user.ad.department", "user.ad.city"]
    read = foreign.select(headers).rename(dict(zip(headers, landed.columns, strict=True)))
    assert_frame_equal(landed, read, check_row_order=False)


def test_a_rerun_replaces_and_changes_nothing_else(here: Place) -> None:
    plan = here.plan("crashes", window_from="2026-11-17", window_to="2026-11-19")
    here.land(plan)
    first = here.landed("crashes")
    here.land(plan)
    assert_frame_equal(here.landed("crashes"), first)
    assert_frame_equal(here.globbed("crashes"), first, check_row_order=False)
    manifest = here.lake.manifest("crashes")
    assert manifest is not None
    assert len(manifest.entries) == 2
    assert manifest.version == 4


def test_without_dates_the_last_full_window_lands(here: Place) -> None:
    here.land(here.plan("crashes"))
    manifest = here.lake.manifest("crashes")
    assert manifest is not None
    assert [entry.unit for entry in manifest.entries] == ["20261119T000000Z-20261120T000000Z"]


def test_a_snapshot_run_late_belongs_to_its_slot_and_a_rerun_replaces_it(here: Place) -> None:
    here.land(here.plan("devices"))
    here.land(here.plan("devices"))
    manifest = here.lake.manifest("devices")
    assert manifest is not None
    assert [entry.unit for entry in manifest.entries] == ["20261120T000000Z"]


def test_tokens_of_two_seconds_and_urls_of_one_are_enough(tmp_path: Path, use: Use) -> None:
    options = {"token_ttl": 2.0, "url_ttl": 1.0, "export_time": 2.5}
    with place(tmp_path, **options) as made:
        use(made)
        made.land(made.plan("execution_events", **DAY))
        same(made.landed("execution_events"), expected(made, "execution_events", BOUNDS))
        assert made.tenant.requests["token"] >= 2
        assert made.tenant.leaks == []


def test_an_interrupted_runs_export_is_gone_on_with(here: Place) -> None:
    plan = here.plan("devices")
    unit = plan.units[0]
    with open_run(plan, clock=here.tenant.clock.now) as killed:
        from tasks.exports.export import begin_or_attach  # noqa: PLC0415

        with killed.ledger.lease("devices", unit.name, unit.starts_at, unit.ends_at, "killed"):
            begin_or_attach(
                killed.tools, plan.specification, request_for(killed, unit, Piece(unit.window))
            )
    outcomes = here.land(plan)
    assert outcomes[0].attached
    assert here.tenant.requests["export"] == 1
    here.land(plan)
    assert here.tenant.requests["export"] == 2


@pytest.mark.parametrize(
    ("query", "age", "is_used"), [("", 59, True), ("", 61, False), ("other", 0, False)]
)
def test_a_journalled_export_of_another_query_or_too_old_is_not_used(
    here: Place, query: str, age: int, is_used: bool
) -> None:
    from connectors.ledger import JournalledExport  # noqa: PLC0415
    from tasks.exports.export import begin_or_attach  # noqa: PLC0415

    plan = here.plan("devices")
    unit = plan.units[0]
    with open_run(plan, clock=here.tenant.clock.now) as run:
        request = request_for(run, unit, Piece(unit.window))
        started = here.tenant.clock.now() - timedelta(minutes=age)
        with run.ledger.lease("devices", unit.name, unit.starts_at, unit.ends_at, "x"):
            begin_or_attach(run.tools, plan.specification, request)
            # The tenant still has it: only what the journal says decides.
            (number,) = here.tenant.exports._exports
            export = JournalledExport(number, query or request.fingerprint(), started)
            run.ledger.journal.write("devices", unit.name, export)
    assert here.land(plan)[0].attached is is_used


def test_a_journalled_export_that_the_tenant_has_forgotten_is_started_again(here: Place) -> None:
    from connectors.ledger import JournalledExport  # noqa: PLC0415

    plan = here.plan("devices")
    unit = plan.units[0]
    with open_run(plan, clock=here.tenant.clock.now) as run:
        fingerprint = request_for(run, unit, Piece(unit.window)).fingerprint()
        with run.ledger.lease("devices", unit.name, unit.starts_at, unit.ends_at, "x"):
            export = JournalledExport("forgotten", fingerprint, here.tenant.clock.now())
            run.ledger.journal.write("devices", unit.name, export)
    assert not here.land(plan)[0].attached
    same(here.landed("devices"), expected(here, "devices", {}))


def test_a_truncated_result_fails_loudly_and_what_was_landed_stays(
    tmp_path: Path, use: Use
) -> None:
    with place(tmp_path, row_limit=50, devices=80) as made:
        use(made)
        with pytest.raises(ResultTruncatedError, match=r"\(HTTP 206\): add shards; nothing was"):
            made.land(made.plan("devices"))
        with pytest.raises(ResultTruncatedError, match=r"206.* add shards, or make min_step small"):
            made.land(made.plan("execution_events", **DAY))
        assert made.landed("execution_events").is_empty()
        ledger = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu")
        (unit,) = ledger.units("execution_events")
        ledger.close()
        assert unit.state == "failed"
        assert "206" in (unit.last_error or "")


def test_an_export_that_takes_too_long_is_kept_for_the_next_run(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, export_time=2.0) as made:
        use(made)
        plan = made.plan("devices")
        hasty = plan.specification.model_copy(update={"timeout": timedelta(milliseconds=500)})
        with pytest.raises(UnavailableError, match="not finished"):
            made.land(made.plan("devices", specification=hasty))
        assert made.land(plan)[0].attached
        assert made.tenant.requests["export"] == 1


def test_an_unknown_query_says_what_to_paste_where(tmp_path: Path, use: Use) -> None:
    (tmp_path / "queries").mkdir()
    with place(tmp_path, queries=tmp_path / "queries") as made:
        use(made)
        with pytest.raises(UnknownQueryError, match="nxp datasets devices --nql"):
            made.land(made.plan("devices"))


def test_a_credential_without_the_permission_says_which(
    tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = Credential("poor", "secret", frozenset({"campaigns"}))
    with place(tmp_path, credentials=(poor,)) as made:
        use(made)
        monkeypatch.setenv("NEXTHINK_CLIENT_ID", "poor")
        monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "secret")
        with pytest.raises(AccessError, match="NQL"):
            made.land(made.plan("devices"))


def test_a_lake_where_no_folder_can_be_is_told_with_its_place(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NXP_LAKE", "/proc/nowhere")
    with pytest.raises(StorageError, match=r"cannot write /proc/nowhere.*choose another place"):
        here.land(here.plan("devices"))


def test_nothing_is_exported_for_a_lake_that_cannot_be_written(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = here.tenant.requests["export"]
    monkeypatch.setenv("NXP_LAKE", "/proc/nowhere")
    with pytest.raises(StorageError, match="nothing was published"):
        here.land(here.plan("crashes", **DAY))
    assert here.tenant.requests["export"] == exports


def test_a_report_that_cannot_be_kept_is_all_that_is_missing(here: Place) -> None:
    here.lake.folder.mkdir(parents=True, exist_ok=True)
    (here.lake.folder / "_runs").touch()
    with pytest.raises(StorageError, match=r"cannot write.*counts, and only its report is missing"):
        here.land(here.plan("crashes", **DAY))
    assert len(here.landed("crashes"))


def test_a_second_run_of_the_same_window_is_told_who_holds_it(here: Place) -> None:
    plan = here.plan("crashes", **DAY)
    unit = plan.units[0]
    with (
        open_run(plan, clock=here.tenant.clock.now) as run,
        run.ledger.lease("crashes", unit.name, unit.starts_at, unit.ends_at, run.run_id),
        open_run(plan, clock=here.tenant.clock.now) as other,
        pytest.raises(HeldError, match=run.run_id),
    ):
        land_unit(other, unit)
    assert here.land(plan)[0].rows_landed > 0


def test_after_a_refusal_the_next_run_asks_the_tenant_anew(here: Place) -> None:
    plan = here.plan("devices")
    extra = plan.specification.columns[0].model_copy(
        update={"nql": "device.missing", "name": "missing", "nullable": False}
    )
    wrong = plan.specification.model_copy(update={"columns": (*plan.specification.columns, extra)})
    with pytest.raises(DataRefusedError, match=r"lacks the required device\.missing"):
        here.land(here.plan("devices", specification=wrong))
    assert not here.land(plan)[0].attached


def test_a_shrunken_result_is_refused_unless_accepted(tmp_path: Path, use: Use) -> None:
    with place(tmp_path, devices=40) as made:
        use(made)
        made.land(made.plan("devices"))
        before = made.landed("devices")
    with place(tmp_path, devices=10) as made:
        use(made)
        with pytest.raises(DataRefusedError, match="run the same again with --accept-shrink"):
            made.land(made.plan("devices"))
        assert_frame_equal(made.landed("devices"), before)
        made.land(made.plan("devices", accept_shrink=True))
        assert 0 < len(made.landed("devices")) <= 10


def test_a_table_that_may_be_empty_lands_so_before_and_after_it_has_rows(here: Place) -> None:
    tenant = here.tenant
    people = [user["user.sid"] for user in tenant.frame("#users").to_dicts()]
    counts = []
    for days in (0, 1, 60):
        tenant.clock.advance(timedelta(days=days))
        (outcome,) = here.land(here.plan("pulse_responses"))
        counts.append(outcome.rows_landed)
        if not days:
            tenant.actions.by_console("campaign", "#device_feedback", users=people)
    assert counts == [0, len(people), 0]
    assert len(here.landed("pulse_responses")) == len(people)
    manifest = here.lake.manifest("pulse_responses")
    assert manifest is not None
    assert len(manifest.entries) == len(counts)


@pytest.mark.parametrize(
    "form", ["local", *(pytest.param(each, marks=pytest.mark.slow) for each in ("iso", "utc"))]
)
def test_a_tenant_in_zurich_over_the_end_of_summer_time(
    tmp_path: Path, use: Use, form: str
) -> None:
    options = {
        "time_zone": "Europe/Zurich",
        "now": datetime(2026, 10, 28, 9, tzinfo=UTC),
        "datetime_format": form,
    }
    with place(tmp_path, **options) as made:
        use(made)
        plan = made.plan("execution_events", window_from="2026-10-23", window_to="2026-10-27")
        assert [str(unit.window) for unit in plan.units] == [
            "2026-10-23..2026-10-24",
            "2026-10-24..2026-10-26",
            "2026-10-26..2026-10-27",
        ]
        outcomes = made.land(plan)
        landed = made.landed("execution_events").sort("started_at")
        bounds = {
            "from": literal(plan.units[0].starts_at, plan.tenant.zone),
            "to": literal(plan.units[-1].ends_at, plan.tenant.zone),
        }
        there = truth(made, plan.specification, bounds).filter(
            pl.col("started_at").dt.convert_time_zone("UTC") < plan.units[-1].ends_at
        )
        assert len(landed) == len(there) == len(made.globbed("execution_events"))
        if form != "local":
            same(landed, there)
        else:
            # Naive values of the repeated hour count as ambiguous, and are read as the first.
            hour = pl.col("started_at").is_between(
                datetime(2026, 10, 25, 1, tzinfo=UTC),
                datetime(2026, 10, 25, 2, tzinfo=UTC),
                closed="left",
            )
            assert landed.filter(hour).is_empty()
            repeated = sum(outcome.repeated_hour for outcome in outcomes)
            assert repeated >= len(there.filter(hour))


def test_a_merged_window_lands_one_file_per_date_and_a_rerun_keeps_them_exact(
    tmp_path: Path, use: Use
) -> None:
    options = {"time_zone": "Europe/Zurich", "now": datetime(2026, 10, 28, 9, tzinfo=UTC)}
    with place(tmp_path, datetime_format="utc", **options) as made:
        use(made)
        plan = made.plan("crashes", window_from="2026-10-24", window_to="2026-10-26")
        for _ in range(3):
            made.land(plan)
            manifest = made.lake.manifest("crashes")
            assert manifest is not None
            (entry,) = manifest.entries
            assert [file.path.split("/")[0] for file in entry.files] == [
                "date=2026-10-24",
                "date=2026-10-25",
            ]
            assert_frame_equal(
                made.landed("crashes"), made.globbed("crashes"), check_row_order=False
            )


def test_rows_that_do_not_fit_are_rejects_with_reasons_and_too_many_block(
    here: Place,
) -> None:
    plan = here.plan("devices")
    columns = tuple(
        column.model_copy(update={"type": "int"}) if column.name == "device_name" else column
        for column in plan.specification.columns
    )
    wrong = plan.specification.model_copy(update={"columns": columns})
    with pytest.raises(DataRefusedError, match="all of them: device_name is not a whole num"):
        here.land(here.plan("devices", specification=wrong))
    assert here.landed("devices").is_empty()
    rejects = pl.read_parquet(here.lake.folder / "_rejects" / "**" / "*.parquet")
    assert set(rejects["reasons"].explode()) == {"device_name: not int"}
    raw = list((here.lake.folder / "_rejects_raw").glob("*/*.parquet"))
    assert [path.stat().st_mode & 0o777 for path in raw] == [0o600]
    some = wrong.model_copy(update={"max_reject_share": 1.0})
    with pytest.raises(
        PartlyDoneError, match="0 rows landed, 38 were rejected, all of them: device_name is"
    ):
        here.land(here.plan("devices", specification=some, accept_shrink=True))
