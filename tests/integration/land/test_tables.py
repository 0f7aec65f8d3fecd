"""From the tenant into the lake and a table at once: both have the same values."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import create_engine, text

from connectors.catalogue import load_dataset
from connectors.errors import ConfigurationError, DataRefusedError, PipelineError
from connectors.ledger import open_ledger
from tasks.land.asked import Only
from tests.databases import Server
from tests.landing import CATALOG, NOW, Place, catalogue, place

Url = Callable[[], str]
BOTH = {"landings": ["parquet", "sql"]}
PERIOD: dict[str, Any] = {"window_from": "2026-11-16", "window_to": "2026-11-19"}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'landed.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.new_schema_url()


def point(made: Place, monkeypatch: pytest.MonkeyPatch, database: str | None, **more: str) -> Place:
    for name, value in {**made.environment, **more}.items():
        monkeypatch.setenv(name, value)
    if database is not None:
        monkeypatch.setenv("NXP_DATABASE_URL", database)
    return made


def table(database: str, dataset: str, like: pl.DataFrame) -> pl.DataFrame:
    """Return a table, read by plain SQL, with the types of the dataset's Parquet files."""
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM {dataset}"))  # noqa: S608
        names, rows = list(found.keys()), [tuple(row) for row in found]
    engine.dispose()
    columns = {}
    for place_, name in enumerate(names):
        values = [row[place_] for row in rows]
        kind = like.schema[name]
        series = pl.Series(name, values, strict=False)
        if kind == pl.Datetime and series.dtype == pl.String:
            series = series.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
            series = series.dt.replace_time_zone("UTC")
        columns[name] = series.cast(kind)
    return pl.DataFrame(columns).select(like.columns)


def parquet(made: Place, dataset: str) -> pl.DataFrame:
    folder = made.lake.dataset_folder(dataset)
    return pl.read_parquet(folder / "*" / "*.parquet", hive_partitioning=False)


def assert_same(made: Place, database: str, dataset: str) -> None:
    """Assert that the table has exactly the rows of the lake."""
    lake = parquet(made, dataset)
    assert len(lake) > 0
    order = [name for name in lake.columns if lake.schema[name] != pl.List]
    assert_frame_equal(table(database, dataset, lake).sort(order), lake.sort(order))


def test_windows_and_snapshots_land_in_lake_and_table_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    catalogue(tmp_path, {}, crashes=BOTH, devices=BOTH, execution_events=BOTH)
    with place(tmp_path) as made:
        point(made, monkeypatch, url)
        made.land(made.plan("crashes", **PERIOD))
        made.land(made.plan("execution_events", window_from="2026-11-18", window_to="2026-11-19"))
        made.land(made.plan("devices"))
        for dataset in ("crashes", "execution_events", "devices"):
            assert_same(made, url, dataset)
        made.land(made.plan("crashes", **PERIOD, step="6h", only=Only.MISSING))
        made.land(made.plan("crashes", window_from="2026-11-17", window_to="2026-11-18"))
        made.land(made.plan("devices"))
        assert_same(made, url, "crashes")
        assert_same(made, url, "devices")


def test_what_the_lake_would_refuse_by_now_does_not_reach_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    catalogue(tmp_path, {}, crashes=BOTH)
    with place(tmp_path) as made:
        point(made, monkeypatch, url)
        plan = made.plan("crashes", window_from="2026-11-15", window_to="2026-11-16")
        asked: dict[str, Any] = {"window_from": "2026-11-15", "window_to": "2026-11-17"}
        made.land(made.plan("crashes", **asked, step="2d"))
        with pytest.raises(DataRefusedError, match="in part"):
            made.land(plan)
        assert_same(made, url, "crashes")


def test_a_table_alone_needs_no_lake_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    catalogue(tmp_path, {}, crashes={"landings": [{"sql": {"table": "app_crashes"}}]})
    with place(tmp_path) as made:
        point(made, monkeypatch, url)
        outcomes = made.land(made.plan("crashes", **PERIOD))
        assert made.lake.manifest("crashes") is None
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            rows = connection.scalar(text("SELECT count(*) FROM app_crashes"))
        engine.dispose()
        assert rows == sum(outcome.rows_landed for outcome in outcomes) > 0
        # Another step cuts no file here, because a table replaces rows by time.
        day: dict[str, Any] = {"window_from": "2026-11-16", "window_to": "2026-11-17"}
        made.land(made.plan("crashes", **day, step="12h", only=Only.ALL))
        made.land(made.plan("crashes", **day, step="1d", only=Only.ALL))


def test_a_failed_load_leaves_table_lake_and_ledger_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    catalogue(tmp_path, {}, crashes=BOTH)
    with place(tmp_path) as made:
        point(made, monkeypatch, url)
        made.land(made.plan("crashes", **PERIOD))
        before = parquet(made, "crashes")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                text("ALTER TABLE crashes ADD CONSTRAINT few CHECK (_nxp_run_id < '') NOT VALID")
            )
        else:
            connection.execute(
                text(
                    "CREATE TRIGGER few BEFORE INSERT ON crashes BEGIN "
                    "SELECT RAISE(ABORT, 'no more'); END"
                )
            )
    engine.dispose()
    with place(tmp_path, now=NOW + timedelta(hours=1)) as made:
        point(made, monkeypatch, url)
        with pytest.raises(PipelineError, match="crashes") as caught:
            made.land(made.plan("crashes", window_from="2026-11-17", window_to="2026-11-18"))
        assert len(str(caught.value).splitlines()) == 1
        assert_frame_equal(parquet(made, "crashes"), before)
        assert_same(made, url, "crashes")
        ledger = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu")
        failed = [record for record in ledger.units("crashes") if record.last_error]
        ledger.close()
        assert [record.state for record in failed] == ["landed"]


def test_a_table_without_a_database_is_told_before_anything_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue(tmp_path, {}, crashes=BOTH)
    with place(tmp_path) as made:
        point(made, monkeypatch, None)
        with pytest.raises(ConfigurationError, match="set NXP_DATABASE_URL"):
            made.land(made.plan("crashes", **PERIOD))
        assert made.tenant.requests["export"] == 0
    assert load_dataset(CATALOG, "crashes").sql is None
