"""What only tables have: people's additions, types, keys, owners, failing databases."""

import json
import os
import pickle
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)
from connectors.logs import is_unreported
from connectors.sql import SqlLanding
from connectors.sql.batches import Batches
from connectors.sql.session import Session
from tests.databases import (
    DAY,
    START,
    TENANT,
    Server,
    SqlPlace,
    Staged,
    devices,
    event_rows,
    specify,
    stage,
)
from tests.forks import fork
from tests.integration.land.conftest import DATABASES, EVENTS, HOUR, by_hour, database_place

DEVICES = [("id", pa.string()), ("n", pa.int64())]


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    """Return an empty database of each kind."""
    return database_place(request.param, request, tmp_path)


@pytest.fixture
def snapshot(tmp_path: Path) -> Callable[..., Staged]:
    """Stage a snapshot of some devices."""

    def stage_snapshot(rows: dict[str, int], day: int = 0, run: str = "run", **more: Any) -> Staged:
        listed = [{"id": key, "n": n} for key, n in rows.items()]
        return stage(tmp_path, listed, DEVICES, START + day * DAY, run=run, snapshot=True, **more)

    return stage_snapshot


def books(place: SqlPlace) -> list[tuple[str, int]]:
    return [(row["unit"][9:11] + row["unit"][26:28], row["rows"]) for row in place.units()]


# Windows, and their records


def test_windows_cut_in_any_way_leave_each_instant_with_its_last_landing(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    landing = place.landing(specify())
    for hours, start, run in (
        (8, 0, "a"),
        (8, 8, "b"),
        (2, 3, "in"),
        (6, 6, "over"),
        (1, 15, "end"),
    ):
        window(hours, start, run).publish(landing)
    runs = ["a"] * 3 + ["in"] * 2 + ["a"] + ["over"] * 6 + ["b"] * 3 + ["end"]
    assert by_hour(place) == dict(enumerate(runs))
    assert books(place) == [
        ("0003", 3),
        ("0305", 2),
        ("0506", 1),
        ("0612", 6),
        ("1215", 3),
        ("1516", 1),
    ]
    assert landing.drop_before(START + 6 * HOUR) == 6
    assert books(place) == [("0612", 6), ("1215", 3), ("1516", 1)]
    window(16, 0, "all").publish(landing)
    assert by_hour(place) == dict.fromkeys(range(16), "all")
    assert books(place) == [("0016", 16)]


def test_one_window_landed_by_two_at_once_is_there_once(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    place.landing(specify()).check()
    failed: list[BaseException] = []

    def publish(staged: Staged) -> None:
        try:
            staged.publish(place.landing(specify()))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    staged = [window(24 - start, start, f"run {start}") for start in range(6)]
    threads = [threading.Thread(target=publish, args=(one,)) for one in staged]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(by_hour(place)) == 24
    assert sum(unit["rows"] for unit in place.units()) == 24


# What people add to a table


def test_what_people_put_on_a_table_survives_every_landing(
    postgres: Server, tmp_path: Path, window: Callable[..., Staged]
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    window(3).publish(place.landing(specify()))
    place.run(
        "CREATE INDEX mine ON events (n)",
        "COMMENT ON TABLE events IS 'ours'",
        "COMMENT ON COLUMN events.n IS 'number'",
        "CREATE VIEW seen AS SELECT count(*) AS rows FROM events WHERE n > 0",
        "DROP ROLE IF EXISTS analyst",
        "CREATE ROLE analyst",
        "GRANT SELECT ON events TO analyst",
    )
    [(oid,)] = place.run("SELECT 'events'::regclass::oid")
    columns = [column.model_dump() for column in specify().columns]
    later = specify([*columns, {"nql": "x"}])
    rows = [row | {"x": "x"} for row in event_rows(5, START, HOUR)]
    stage(tmp_path, rows, [*EVENTS, ("x", pa.string())]).publish(place.landing(later))
    window(3, 24).publish(place.landing(specify()))
    assert place.run("SELECT rows FROM seen") == [(6,)]
    assert place.run("SELECT 'events'::regclass::oid") == [(oid,)]
    kept = place.run(
        "SELECT obj_description('events'::regclass), col_description('events'::regclass, 2), "
        "has_table_privilege('analyst', 'events', 'SELECT'), to_regclass('mine') IS NOT NULL"
    )
    assert kept == [("ours", "number", True, True)]
    place.run("DROP VIEW seen", "DROP OWNED BY analyst", "DROP ROLE analyst")


def test_an_index_and_a_view_survive_on_sqlite(
    tmp_path: Path, window: Callable[..., Staged]
) -> None:
    place = SqlPlace("sqlite", f"sqlite:///{tmp_path / 'landed.db'}")
    window(3).publish(place.landing(specify()))
    place.run("CREATE INDEX mine ON events (n)", "CREATE VIEW seen AS SELECT count(*) FROM events")
    window(5).publish(place.landing(specify()))
    assert place.run("SELECT * FROM seen") == [(5,)]
    assert ("mine",) in place.run("SELECT name FROM sqlite_schema WHERE type = 'index'")


def test_the_time_column_is_indexed(place: SqlPlace) -> None:
    if place.name == "duckdb":
        pytest.skip("DuckDB changes no table that has an index")
    place.landing(specify()).check()
    assert "ix_events_at" in place.indices("events")


def test_an_index_under_the_name_of_ours_is_left_as_it_is(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    if place.name == "duckdb":
        pytest.skip("DuckDB changes no table that has an index")
    window(3).publish(place.landing(specify()))
    of = " ON events" if place.name == "mariadb" else ""
    place.run(f"DROP INDEX ix_events_at{of}", "CREATE INDEX ix_events_at ON events (n)")
    window(5).publish(place.landing(specify()))
    assert len(place.rows(specify())) == 5
    assert place.indices("events")["ix_events_at"] == ["n"]


# Types


def test_postgres_keeps_json_as_it_was_written(postgres: Server, tmp_path: Path) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    columns = [{"nql": "j", "type": "json"}]
    texts = ['{"b": 1,  "a": [2.50, "ü"]}', "", None, "12345678901234567890"]
    rows = [{"j": value} for value in texts]
    staged = stage(tmp_path, rows, [("j", pa.string())], snapshot=True)
    staged.publish(place.landing(specify(columns, mode="snapshot")))
    landed = place.run("SELECT j::text, j->'a'->>1 FROM events WHERE j IS NOT NULL OR TRUE")
    assert [text for text, _ in landed] == [texts[0], None, None, texts[3]]


def test_sqlite_date_times_are_ordered_as_text_and_known_to_its_functions(
    tmp_path: Path, window: Callable[..., Staged]
) -> None:
    place = SqlPlace("sqlite", f"sqlite:///{tmp_path / 'landed.db'}")
    window(3).publish(place.landing(specify()))
    assert place.run(
        "SELECT at, datetime(at, '+1 hour') FROM events WHERE at >= '2026-11-18 01' ORDER BY at"
    ) == [
        ("2026-11-18 01:00:00.000000", "2026-11-18 02:00:00"),
        ("2026-11-18 02:00:00.000000", "2026-11-18 03:00:00"),
    ]


@pytest.mark.parametrize("kind", ["string", "list", "json"])
def test_a_nul_character_is_refused_by_column_and_not_shown(
    postgres: Server, tmp_path: Path, kind: str
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    value: Any = ["fine", "secret\0value"] if kind == "list" else "secret\0value"
    type_ = pa.large_list(pa.large_string()) if kind == "list" else pa.string()
    columns = [{"nql": "c", "type": kind}]
    staged = stage(tmp_path, [{"c": value}], [("c", type_)], snapshot=True)
    with pytest.raises(DataRefusedError, match="column c holds a NUL") as caught:
        staged.publish(place.landing(specify(columns, mode="snapshot")))
    assert "secret" not in str(caught.value)


def test_sqlite_holds_a_nul_character(tmp_path: Path) -> None:
    place = SqlPlace("sqlite", f"sqlite:///{tmp_path / 'landed.db'}")
    staged = stage(tmp_path, [{"c": "a\0b"}], [("c", pa.string())], snapshot=True)
    staged.publish(place.landing(specify([{"nql": "c"}], mode="snapshot")))
    assert [row["c"] for row in place.table("events")] == ["a\0b"]


def test_text_that_is_no_json_is_refused_by_column_and_not_shown(
    postgres: Server, tmp_path: Path
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    staged = stage(tmp_path, [{"c": "secret {"}], [("c", pa.string())], snapshot=True)
    with pytest.raises(DataRefusedError, match="column c holds") as caught:
        staged.publish(place.landing(specify([{"nql": "c", "type": "json"}], mode="snapshot")))
    assert "secret" not in str(caught.value)


def test_whole_numbers_become_fractions_and_no_other_type_changes(
    place: SqlPlace, tmp_path: Path, window: Callable[..., Staged]
) -> None:
    window(1).publish(place.landing(specify()))
    at = {"nql": "at", "type": "datetime", "nullable": False}
    floats = specify([at, {"nql": "n", "type": "float"}])
    place.landing(floats).check()
    rows = [{"at": START + HOUR, "n": 1.5}]
    fields = [EVENTS[0], ("n", pa.float64())]
    staged = stage(tmp_path, rows, fields, START + HOUR, START + 2 * HOUR)
    staged.publish(place.landing(floats))
    assert sorted(row["n"] for row in place.table("events")) == [0, 1.5]
    for kind in ("string", "bool", "list"):
        with pytest.raises(DataRefusedError, match=f"column n is .* and {kind} in the catalogue"):
            place.landing(specify([at, {"nql": "n", "type": kind}])).check()


def test_a_widening_that_a_view_forbids_is_told(
    postgres: Server, window: Callable[..., Staged]
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    window(1).publish(place.landing(specify()))
    place.run("CREATE VIEW seen AS SELECT n FROM events")
    columns = [{"nql": "at", "type": "datetime"}, {"nql": "n", "type": "float"}]
    with pytest.raises(DataRefusedError, match="a view uses a column"):
        place.landing(specify(columns)).check()


def test_a_column_that_may_be_null_now_or_is_gone_is_no_obstacle(
    place: SqlPlace, tmp_path: Path
) -> None:
    at = {"nql": "at", "type": "datetime", "nullable": False}
    strict = [{"nql": name, "nullable": False} for name in ("gone", "eased")]
    rows: list[dict[str, Any]] = [{"at": START, "gone": "g", "eased": "e"}]
    fields = [EVENTS[0], ("gone", pa.string()), ("eased", pa.string())]
    first = specify([at, *strict])
    stage(tmp_path, rows, fields, START, START + HOUR).publish(place.landing(first))
    rows = [{"at": START + HOUR, "gone": "g", "eased": None}]
    staged = stage(tmp_path, rows, fields, START + HOUR, START + 2 * HOUR)
    with pytest.raises(DataRefusedError, match=r"eased.*is unchanged"):
        staged.publish(place.landing(first))
    rows = [{"at": START + HOUR, "eased": None}]
    staged = stage(tmp_path, rows, [fields[0], fields[2]], START + HOUR, START + 2 * HOUR)
    staged.publish(place.landing(specify([at, {"nql": "eased"}])))
    landed = sorted(place.table("events"), key=lambda row: row["at"])
    assert [(row["gone"], row["eased"]) for row in landed] == [("g", "e"), (None, None)]


# Snapshots


def test_upsert_keeps_absent_rows_and_never_goes_back(
    place: SqlPlace, snapshot: Callable[..., Staged]
) -> None:
    landing = place.landing(devices({"snapshot": "upsert"}))
    landing.check()
    snapshot({"a": 1, "b": 1}, 1, "one").publish(landing)
    snapshot({"b": 2, "c": 2}, 2, "two").publish(landing)
    snapshot({"a": 0, "b": 0, "d": 0}, 0, "older").publish(landing)
    snapshot({"c": 3}, 2, "two again").publish(landing)
    landed = {row["id"]: (row["n"], row["_nxp_run_id"]) for row in place.table("devices")}
    assert landed == {
        "a": (1, "one"),
        "b": (2, "two"),
        "c": (3, "two again"),
        "d": (0, "older"),
    }
    assert landing.rows_before(START, START + DAY) == 1


def test_keys_that_stand_twice_are_counted_and_refused(place: SqlPlace, tmp_path: Path) -> None:
    landing = place.landing(devices({"snapshot": "upsert"}))
    stage(tmp_path, [{"id": "a", "n": 1}], DEVICES, snapshot=True).publish(landing)
    twice = [{"id": key, "n": n} for n, key in enumerate(["a", "secret", "secret", "b", "b", "b"])]
    with pytest.raises(DataRefusedError, match=r"2 keys \(id\) occur in more than one") as caught:
        stage(tmp_path, twice, DEVICES, START + DAY, snapshot=True).publish(landing)
    assert "secret" not in str(caught.value)
    assert [(row["id"], row["n"]) for row in place.table("devices")] == [("a", 1)]


def test_append_keeps_every_snapshot_and_replaces_its_own(
    place: SqlPlace, snapshot: Callable[..., Staged]
) -> None:
    landing = place.landing(devices({"snapshot": "append"}))
    landing.check()
    snapshot({"a": 1, "b": 1}, 1).publish(landing)
    snapshot({"a": 0}, 0).publish(landing)
    snapshot({"a": 2}, 1).publish(landing)
    snapshot({"a": 3}, 2).publish(landing)
    landed = sorted((row["snapshot"], row["n"]) for row in place.table("devices"))
    days = [f"{START + day * DAY:%Y%m%dT%H%M%SZ}" for day in range(3)]
    assert landed == [(days[0], 0), (days[1], 2), (days[2], 3)]
    assert landing.drop_before(START + 2 * DAY, dry_run=True) == 2
    assert landing.drop_before(START + 2 * DAY) == 2
    assert [row["n"] for row in place.table("devices")] == [3]
    with pytest.raises(ConfigurationError, match="filled as append"):
        place.landing(devices()).check()


def test_old_rows_of_an_upsert_are_dropped_once_no_kept_snapshot_had_them(
    place: SqlPlace, snapshot: Callable[..., Staged]
) -> None:
    landing = place.landing(devices({"snapshot": "upsert"}))
    snapshot({"a": 1, "b": 1}, 0).publish(landing)
    snapshot({"b": 2}, 1).publish(landing)
    assert landing.drop_before(START + DAY) == 1
    assert [row["id"] for row in place.table("devices")] == ["b"]
    assert landing.drop_before(START + 2 * DAY) == 0


@pytest.mark.parametrize("load", ["replace", "append"])
def test_the_newest_snapshot_is_never_dropped(
    place: SqlPlace, snapshot: Callable[..., Staged], load: str
) -> None:
    landing = place.landing(devices({"snapshot": load}))
    snapshot({"a": 1}, 0).publish(landing)
    snapshot({"a": 2}, 1).publish(landing)
    assert landing.drop_before(START + 9 * DAY) == (1 if load == "append" else 0)
    assert [row["n"] for row in place.table("devices")] == [2]
    assert landing.drop_before(START + 9 * DAY) == 0


def test_an_older_snapshot_is_left_out_and_said(
    place: SqlPlace, snapshot: Callable[..., Staged], caplog: pytest.LogCaptureFixture
) -> None:
    landing = place.landing(devices())
    snapshot({"a": 1}, 1).publish(landing)
    snapshot({"b": 1}, 0).publish(landing)
    assert "20261118T000000Z is older than the snapshot in the table" in caplog.text
    assert is_unreported(caplog.records[-1])
    assert len(place.units()) == 1


# Owners, names


def test_a_table_has_one_owner(place: SqlPlace, window: Callable[..., Staged]) -> None:
    window(1).publish(place.landing(specify()))
    other_dataset = specify(dataset="others", sql={"table": "events"})
    for landing in (place.landing(specify(), "other.eu"), place.landing(other_dataset)):
        with pytest.raises(ConfigurationError, match=r"events of acme.eu lands in this table"):
            landing.check()
        with pytest.raises(ConfigurationError, match="name another"):
            window(2).publish(landing)
    assert len(place.table("events")) == 1


def test_a_table_of_other_origin_is_refused_unless_it_is_empty(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    types = {"sqlite": "DATETIME", "mariadb": "DATETIME(6)"}
    end = " ENGINE = InnoDB" if place.name == "mariadb" else ""
    name = '"at"' if place.name == "duckdb" else "at"
    kind = types.get(place.name, "timestamptz")
    place.run(f"CREATE TABLE events ({name} {kind}, n BIGINT){end}")
    place.landing(specify()).check()
    place.run("INSERT INTO events (n, _nxp_run_id) VALUES (1, 'x')")
    with pytest.raises(ConfigurationError, match="rows that no landing put there"):
        place.landing(specify()).check()
    with pytest.raises(ConfigurationError, match="rows that no landing put there"):
        window(1).publish(place.landing(specify()))
    place.run("DELETE FROM events")
    window(1).publish(place.landing(specify()))
    assert len(place.table("events")) == 1


def test_a_view_is_no_table_to_land_in(place: SqlPlace) -> None:
    place.run("CREATE VIEW events AS SELECT 1 AS n")
    with pytest.raises(ConfigurationError, match="is not a table"):
        place.landing(specify()).check()


def test_names_with_capitals_and_reserved_words(
    postgres: Server, window: Callable[..., Staged]
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    postgres.run('DROP SCHEMA IF EXISTS "Raw_Nexthink" CASCADE')
    specification = specify(sql={"schema": "Raw_Nexthink", "table": "Select"})
    landing = place.landing(specification)
    landing.check()
    window(2).publish(landing)
    window(3).publish(landing)
    assert place.run('SELECT count(*) FROM "Raw_Nexthink"."Select"') == [(3,)]
    assert place.run('SELECT count(*) FROM "Raw_Nexthink".nxp_units') == [(1,)]
    assert landing.rows_before(START, START + DAY) == 3


def test_long_names_get_indices_of_their_own(place: SqlPlace) -> None:
    for last in "ab":
        table = "t" * 62 + last
        place.landing(specify(dataset=f"d_{last}", sql={"table": table})).check()
        place.landing(specify(dataset=f"d_{last}", sql={"table": table})).check()


# Failures: the table is as it was


def expect_as_it_was(place: SqlPlace, before: list[dict[str, Any]]) -> None:
    assert sorted(place.table("events"), key=lambda row: row["n"]) == before
    assert [unit["run_id"] for unit in place.units()] == ["before"]


@pytest.fixture
def landed(place: SqlPlace, window: Callable[..., Staged]) -> list[dict[str, Any]]:
    """Land a first window and return its rows."""
    window(24, run="before").publish(place.landing(specify()))
    return sorted(place.table("events"), key=lambda row: row["n"])


def test_a_constraint_that_the_last_row_breaks(
    place: SqlPlace, landed: list[dict[str, Any]], tmp_path: Path
) -> None:
    if place.name == "duckdb":
        pytest.skip("DuckDB adds no constraints to a table")
    if place.name != "sqlite":
        place.run("ALTER TABLE events ADD CONSTRAINT few CHECK (n < 60000)")
    else:
        # SQLite accepts constraints only with new columns.
        place.run("ALTER TABLE events ADD COLUMN c INTEGER CHECK (n < 60000) DEFAULT 1")
    rows = event_rows(60_001)
    with pytest.raises(DataRefusedError, match=r"events.*constraint.*is unchanged") as caught:
        stage(tmp_path, rows, EVENTS).publish(place.landing(specify()))
    assert "60000," not in str(caught.value)
    found = place.table("events")
    for row in found:
        row.pop("c", None)
    assert sorted(found, key=lambda row: row["n"]) == landed
    assert [unit["run_id"] for unit in place.units()] == ["before"]


def test_a_staged_file_that_is_damaged(
    place: SqlPlace, landed: list[dict[str, Any]], tmp_path: Path
) -> None:
    staged = stage(
        tmp_path, event_rows(50_000, START, timedelta(seconds=3)), EVENTS, end=START + 2 * DAY
    )
    assert len(staged.files) == 2
    content = bytearray(staged.files[1].path.read_bytes())
    content[4:200] = bytes(196)
    staged.files[1].path.write_bytes(content)
    with pytest.raises(StorageError, match="cannot read the staged"):
        staged.publish(place.landing(specify()))
    expect_as_it_was(place, landed)


PROGRAM = """
import pickle, sys, time
from connectors.sql.batches import Batches
from tests.databases import specify
place, staged = pickle.loads(bytes.fromhex(sys.argv[1]))
stream = Batches._stream
def slow(self):
    for number, batch in enumerate(stream(self)):
        yield batch
        if number == 2:
            print("loading", flush=True)
            time.sleep(60)
Batches._stream = slow
staged.publish(place.landing(specify()))
"""


def test_a_process_that_is_killed_while_loading(
    place: SqlPlace, landed: list[dict[str, Any]], tmp_path: Path, window: Callable[..., Staged]
) -> None:
    staged = stage(tmp_path, event_rows(70_000), EVENTS, run="killed")
    words = (PROGRAM, pickle.dumps((place, staged)).hex())
    with fork("tests.program_once", *words, env=os.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGKILL)
    expect_as_it_was(place, landed)
    window(24, run="next").publish(place.landing(specify()))
    assert [unit["run_id"] for unit in place.units()] == ["next"]


def interrupt(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something after the second batch of every load."""
    stream = Batches._stream

    def interrupted(self: Batches) -> Any:
        for number, batch in enumerate(stream(self)):
            yield batch
            if number == 1:
                act()

    monkeypatch.setattr(Batches, "_stream", interrupted)


def test_a_connection_that_is_lost_while_loading(
    postgres: Server,
    tmp_path: Path,
    window: Callable[..., Staged],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    window(24, run="before").publish(place.landing(specify()))
    before = sorted(place.table("events"), key=lambda row: row["n"])

    def terminate() -> None:
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'nexthink-pipelines'"
        )
        time.sleep(0.1)

    interrupt(monkeypatch, terminate)
    with pytest.raises(UnavailableError, match=r"went away: .*is unchanged") as caught:
        stage(tmp_path, event_rows(120_000), EVENTS).publish(place.landing(specify()))
    assert "\n" not in str(caught.value)
    expect_as_it_was(place, before)


def test_a_connection_that_is_lost_at_the_commit_is_told_as_unknown(
    postgres: Server, window: Callable[..., Staged], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    landing = place.landing(specify())
    landing.check()
    commit = Session.commit
    commits = 0

    def lose(self: Session) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            postgres.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'nexthink-pipelines'"
            )
        commit(self)

    monkeypatch.setattr(Session, "commit", lose)
    with pytest.raises(UnavailableError, match="may or may not have landed"):
        window(1).publish(landing)


def test_a_load_that_the_servers_time_limit_stops(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SqlPlace("postgres", postgres.new_schema_url())
    limited = SqlPlace("postgres", f"{place.url}%20-cstatement_timeout%3D300")
    limited.landing(specify()).check()
    interrupt(monkeypatch, lambda: time.sleep(0.5))
    with pytest.raises(UnavailableError, match=r"statement_timeout.*is unchanged"):
        stage(tmp_path, event_rows(60_000), EVENTS).publish(limited.landing(specify()))
    assert place.table("events") == place.units() == []


def test_readers_see_the_old_rows_until_the_new_ones_count(
    place: SqlPlace, landed: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process reads, because this one must not also open SQLite's file by a second copy."""
    seen = tmp_path / "seen.json"
    query = "SELECT count(*), min(_nxp_run_id), max(_nxp_run_id) FROM events"
    connect, address = "import sqlite3 as driver", place.url.removeprefix("sqlite:///")
    if place.name in {"postgres", "generic"}:
        connect, address = "import psycopg as driver", place.url

    def read() -> None:
        if place.name in {"mariadb", "duckdb"}:
            seen.write_text(json.dumps(place.run(query)[0]))
            return
        program = (
            f"import json, sys; {connect}; "
            "row = driver.connect(sys.argv[1]).execute(sys.argv[2]).fetchone(); "
            "json.dump(row, open(sys.argv[3], 'w'))"
        )
        with fork("tests.program_once", program, address, query, str(seen), env=os.environ) as run:
            assert run.wait(30) == 0

    interrupt(monkeypatch, read)
    stage(tmp_path, event_rows(60_000), EVENTS, run="new").publish(place.landing(specify()))
    assert json.loads(seen.read_text()) == [len(landed), "before", "before"]
    assert len(place.table("events")) == 60_000


# Reaching the database


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("mysql+mysqldb://u:pw@h/x", "pip install mysqlclient"),
        ("mariadb+mariadbconnector://u:pw@h/x", "pip install mariadb"),
        ("mssql://u:pw@h/x", "pip install pyodbc"),
        ("oracle+oracledb://u:pw@h/x", "pip install oracledb"),
        ("snowflake://u:pw@h/x", "pip install snowflake-sqlalchemy"),
        ("nothing://u:pw@h/x", "driver for nothing is not installed"),
        ("mysql://u:pw@h/x?nonsense=pw", "does not take an option"),
        ("mysql+aiomysql://u:pw@h/x", "asynchronous"),
        ("duckdb://", "DuckDB needs a file"),
        ("duckdb:////proc/nowhere/x.db", "cannot open"),
        ("mysql://u:pw@nowhere.invalid/x", "is not known"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("sqlite:////proc/nowhere/x.db", "cannot open"),
        ("postgresql://u:pw@h", "does not name a database"),
        ("postgresql://u:pw@nowhere.invalid/x", "is not known"),
        ("postgresql://u:pw@h/x?nonsense=pw", "libpq"),
    ],
)
def test_a_url_that_cannot_work_is_one_clear_error_without_the_password(
    url: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"NXP_DATABASE_URL.*{message}") as caught:
        SqlLanding(url, TENANT, specify()).check()
    assert "pw" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_can_be_tried_again() -> None:
    url = "postgresql+psycopg://u:pw@127.0.0.1:1/x?password=pw"
    with pytest.raises(UnavailableError, match=r"NXP_DATABASE_URL.*127\.0\.0\.1:1/x") as caught:
        SqlLanding(url, TENANT, specify()).check()
    assert "pw" not in str(caught.value)


def test_a_wrong_password_and_a_missing_database_are_settings(postgres: Server) -> None:
    [(hba,)] = postgres.run("SHOW hba_file")
    [(kept,)] = postgres.run(f"SELECT pg_read_file('{hba}')")
    server = postgres.url.replace("postgres:@", "guarded:wrong-pw@")
    lines = Path(hba)
    try:
        postgres.run(
            "DROP ROLE IF EXISTS guarded", "CREATE ROLE guarded LOGIN PASSWORD 'right p%40ss/'"
        )
        lines.write_text(f"local all guarded scram-sha-256\n{kept}")
        postgres.run("SELECT pg_reload_conf()")
        time.sleep(0.2)
        with pytest.raises(ConfigurationError, match=r"NXP_DATABASE_URL.*password") as caught:
            SqlLanding(server, TENANT, specify()).check()
        assert "wrong-pw" not in str(caught.value)
        right = server.replace("wrong-pw", "right%20p%2540ss%2F")
        # The password is right; now the permission in schema public is missing.
        with pytest.raises(StorageError, match="lacks a permission"):
            SqlLanding(right, TENANT, specify()).check()
    finally:
        lines.write_text(kept)
        postgres.run("SELECT pg_reload_conf()", "DROP ROLE guarded")
        time.sleep(0.2)
    missing = postgres.url.replace("/postgres?", "/nowhere?")
    with pytest.raises(ConfigurationError, match='database "nowhere" does not exist'):
        SqlLanding(missing, TENANT, specify()).check()


def test_the_permissions_listed_in_the_documentation_are_enough_and_needed(
    postgres: Server, window: Callable[..., Staged]
) -> None:
    schema = postgres.schema()
    postgres.run("DROP ROLE IF EXISTS lander", "CREATE ROLE lander LOGIN")
    url = postgres.url.replace("postgres:@", "lander@")
    landing = SqlLanding(url, TENANT, specify(sql={"schema": schema}))
    with pytest.raises(StorageError, match="lacks a permission"):
        landing.check()
    postgres.run(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO lander")
    landing.check()
    postgres.run(f"REVOKE CREATE ON SCHEMA {schema} FROM lander")
    window(2).publish(landing)
    window(3).publish(landing)
    assert postgres.run(f"SELECT count(*) FROM {schema}.events") == [(3,)]  # noqa: S608 - ours
    postgres.run(f"ALTER TABLE {schema}.events OWNER TO postgres")
    postgres.run(f"GRANT SELECT, INSERT ON {schema}.events TO lander")
    with pytest.raises(StorageError, match="lacks a permission"):
        landing.check()
    postgres.run(f"GRANT DELETE ON {schema}.events TO lander")
    window(4).publish(landing)
    upsert = SqlLanding(url, TENANT, devices({"schema": schema, "snapshot": "upsert"}))
    postgres.run(f"GRANT CREATE ON SCHEMA {schema} TO lander")
    upsert.check()
    postgres.run(f"REVOKE UPDATE ON {schema}.devices FROM lander")
    with pytest.raises(StorageError, match="lacks a permission"):
        upsert.check()
    postgres.run("DROP OWNED BY lander", "DROP ROLE lander")


def test_a_sqlite_file_is_its_owners_and_may_be_made_read_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "landed.db"
    place = SqlPlace("sqlite", f"sqlite:///{path}")
    place.landing(specify()).check()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "other.db").write_text("this is no database, and long enough to be taken for one")
    with pytest.raises(PipelineError, match="not name a SQLite database"):
        SqlPlace("sqlite", f"sqlite:///{tmp_path / 'other.db'}").landing(specify()).check()
    assert os.listdir(tmp_path / "folder")  # noqa: PTH208 - names are enough
