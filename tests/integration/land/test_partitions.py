"""Windows as partitions of a PostgreSQL table: swapped whole, or replaced within."""

import os
import pickle
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pydantic import ValidationError

from connectors.errors import DataRefusedError, StorageError
from connectors.logs import is_unreported
from connectors.sql import SqlLanding
from tests.databases import (
    DAY,
    START,
    TENANT,
    Server,
    SqlPlace,
    Staged,
    event_rows,
    specify,
    stage,
)
from tests.forks import fork
from tests.integration.land.conftest import EVENTS, HOUR, by_hour

BY_WINDOW = {"partition": "window"}
PARTITIONS = (
    "SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, oid) FROM pg_inherits "
    "JOIN pg_class ON oid = inhrelid WHERE inhparent = 'events'::regclass ORDER BY 2"
)


@pytest.fixture
def place(postgres: Server) -> SqlPlace:
    """Return an empty schema, as the connection's own."""
    return SqlPlace("postgres", postgres.new_schema_url())


def landing(place: SqlPlace, **more: Any) -> SqlLanding:
    return place.landing(specify(sql=BY_WINDOW, **more))


def spans(place: SqlPlace) -> list[tuple[str, str]]:
    """Return day and hour of the bounds of each partition."""
    bounds = [
        written.split("'")[1::2] for _, written in place.run("SET TIME ZONE 'UTC'", PARTITIONS)
    ]
    return [(start[8:13], end[8:13]) for start, end in bounds]


def test_each_window_is_a_partition_that_the_next_landing_swaps(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    landing(place).check()
    assert spans(place) == []
    for start in (24, 0):
        window(24, start, "a").publish(landing(place))
    assert spans(place) == [("18 00", "19 00"), ("19 00", "20 00")]
    before = place.run("SELECT 'events_20261118t000000'::regclass::oid::int")
    window(24, 0, "b").publish(landing(place))
    assert spans(place) == [("18 00", "19 00"), ("19 00", "20 00")]
    assert place.run("SELECT 'events_20261118t000000'::regclass::oid::int") != before
    assert by_hour(place) == dict.fromkeys(range(24), "b") | dict.fromkeys(range(24, 48), "a")
    assert [unit["rows"] for unit in place.units()] == [24, 24]
    # Each has the index of the table, attached to it, and no check is left.
    assert place.run("SELECT count(*) FROM pg_indexes WHERE tablename LIKE 'events_2%'") == [(2,)]
    attached = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ix_events_at'::regclass"
    assert place.run(attached) == [(2,)]
    assert place.run("SELECT count(*) FROM pg_constraint WHERE conname = 'nxp_window'") == [(0,)]


@pytest.mark.slow
def test_windows_of_any_step_leave_each_instant_with_its_last_landing(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    expected: dict[int, str] = {}
    for hours, start, run in (
        (24, 0, "day"),
        (1, 3, "hour"),
        (8, 20, "across its end"),
        (48, 24, "two days"),
        (24, 0, "day again"),
        (24, 96, "after a gap"),
        (96, 48, "over the gap"),
        (6, 138, "across, with a gap after it"),
        (200, -20, "all"),
    ):
        window(hours, start, run).publish(landing(place))
        expected |= dict.fromkeys(range(start, start + hours), run)
        assert by_hour(place) == expected, run
        assert sum(unit["rows"] for unit in place.units()) == len(expected)
    assert spans(place) == [("17 04", "25 12")]


def test_retention_drops_whole_partitions_and_deletes_in_others(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    for start in (0, 24, 48):
        window(24, start, f"{start}").publish(landing(place))
    window(12, 24, "half").publish(landing(place))
    assert landing(place).drop_before(START + DAY, dry_run=True) == 24
    assert len(spans(place)) == 3
    assert landing(place).drop_before(START + 1.5 * DAY) == 36
    assert spans(place) == [("19 00", "20 00"), ("20 00", "21 00")]
    assert by_hour(place) == dict.fromkeys(range(36, 48), "24") | dict.fromkeys(range(48, 72), "48")


@pytest.mark.slow
def test_a_reader_that_stays_keeps_nobody_waiting(
    place: SqlPlace, window: Callable[..., Staged]
) -> None:
    window(24, 0, "before").publish(landing(place))
    window(4, 48, "apart").publish(landing(place))
    seen: list[Any] = []
    with psycopg.connect(place.url) as reader:
        count = "SELECT count(*), min(_nxp_run_id) FROM events WHERE at < '2026-11-20'"
        assert reader.execute(count).fetchone() == (24, "before")
        worker = threading.Thread(target=window(36, 0, "after").publish, args=(landing(place),))
        worker.start()
        for _ in range(100):
            # Another reader gets its answer at once, or after the two seconds of the swap.
            seen.append(place.run(count)[0])
            if seen[-1][1] == "after":
                break
        worker.join(30)
        assert landing(place).drop_before(START + 2 * DAY) == 36
    assert set(seen) == {(24, "before"), (36, "after")}
    assert by_hour(place) == dict.fromkeys(range(48, 52), "apart")
    assert [unit["rows"] for unit in place.units()] == [4]


def test_what_people_put_on_the_table_is_on_the_next_partition_too(
    place: SqlPlace, tmp_path: Path, window: Callable[..., Staged]
) -> None:
    window(3, 0).publish(landing(place))
    place.run(
        "CREATE INDEX mine ON events (n)",
        "ALTER TABLE events ADD CONSTRAINT keys UNIQUE (n, at)",
        "ALTER TABLE events ADD CONSTRAINT few CHECK (n < 100)",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
        "INSERT INTO events SELECT at + '3 hours', n, _nxp_run_id, _nxp_exported_at FROM events",
    )
    columns = [column.model_dump() for column in specify().columns]
    later = place.landing(specify([*columns, {"nql": "x"}], sql=BY_WINDOW))
    rows = [row | {"x": "x"} for row in event_rows(3, START + 3 * HOUR, HOUR)]
    fields = [*EVENTS, ("x", pa.string())]
    staged = stage(tmp_path, rows, fields, START + 3 * HOUR, START + 6 * HOUR, run="later")
    staged.publish(later)
    assert sorted(by_hour(place).values()) == ["later"] * 3 + ["run"] * 3
    for index in ("mine", "keys", "ix_events_at"):
        of = f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{index}'::regclass"  # noqa: S608
        assert place.run(of) == [(3,)], index
    many = [{"at": START, "n": 100}]
    with pytest.raises(DataRefusedError, match="constraint few"):
        stage(tmp_path, many, EVENTS, START, START + 3 * HOUR).publish(landing(place))


def test_a_table_that_was_there_before_stays_and_can_be_changed_as_documented(
    place: SqlPlace, window: Callable[..., Staged], caplog: pytest.LogCaptureFixture
) -> None:
    for start in (0, 24):
        window(24, start, "old").publish(place.landing(specify()))
    same = landing(place)
    same.check()
    window(24, 24, "kept").publish(same)
    said = [each for each in caplog.records if "is not partitioned by time" in each.message]
    assert all(map(is_unreported, said))
    assert len(said) == 1
    page = (Path(__file__).parents[3] / "docs" / "sql.md").read_text()
    statements = page.partition("ALTER TABLE crashes RENAME")[2].partition("```")[0]
    script = f"ALTER TABLE crashes RENAME{statements}"
    script = (
        script.replace("crashes", "events").replace("events_at", "at").replace("eventsd_at", "at")
    )
    script = script.replace("evented_at", "at").replace("crashed_at", "at")
    place.run(*[each for each in script.split(";\n") if each.strip()])
    caplog.clear()
    landing(place).check()
    window(24, 48, "new").publish(landing(place))
    window(24, 24, "again").publish(landing(place))
    assert "not partitioned" not in caplog.text
    assert by_hour(place) == {hour: ("old", "again", "new")[hour // 24] for hour in range(72)}
    assert len(spans(place)) == 2
    # Without the option the table stays as it is.
    window(24, 48, "plain").publish(place.landing(specify()))
    with pytest.raises(DataRefusedError, match="no partition to go to"):
        window(24, 96, "plain").publish(place.landing(specify()))


def test_who_may_not_make_tables_is_found_before_anything_is_exported(
    postgres: Server, window: Callable[..., Staged]
) -> None:
    schema = postgres.schema()
    postgres.run(
        "DROP ROLE IF EXISTS parter", "CREATE ROLE parter LOGIN",
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO parter",
    )  # fmt: skip
    url = postgres.url.replace("postgres:@", "parter@")
    mine = SqlLanding(url, TENANT, specify(sql={"schema": schema} | BY_WINDOW))
    mine.check()
    window(3).publish(mine)
    postgres.run(f"REVOKE CREATE ON SCHEMA {schema} FROM parter")
    with pytest.raises(StorageError, match="lacks a permission"):
        mine.check()
    postgres.run("DROP OWNED BY parter", "DROP ROLE parter")


PROGRAM = """
import pickle, sys, time
from connectors.sql.partitions import Window
from tests.databases import specify
place, staged = pickle.loads(bytes.fromhex(sys.argv[1]))
step = getattr(Window, sys.argv[2])
def slow(self, *of):
    done = step(self, *of)
    print("done", flush=True)
    time.sleep(60)
    return done
setattr(Window, sys.argv[2], slow)
staged.publish(place.landing(specify(sql={"partition": "window"})))
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["_create", "_index", "_attaching", "replace"])
def test_a_kill_between_two_steps_leaves_the_old_partition(
    place: SqlPlace, window: Callable[..., Staged], step: str
) -> None:
    window(24, 0, "before").publish(landing(place))
    staged = window(24, 0, "killed")
    words = (PROGRAM, pickle.dumps((place, staged)).hex(), step)
    with fork("tests.program_once", *words, env=os.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        process.send_signal(signal.SIGKILL)
    assert by_hour(place) == dict.fromkeys(range(24), "before")
    window(24, 0, "next").publish(landing(place))
    assert by_hour(place) == dict.fromkeys(range(24), "next")
    assert place.run("SELECT count(*) FROM pg_class WHERE relname LIKE '%_new'") == [(0,)]


@pytest.mark.slow
def test_processes_that_land_at_once_lose_nothing(
    place: SqlPlace, window: Callable[..., Staged], tmp_path: Path
) -> None:
    landing(place).check()
    staged = [window(24, 24 * day, run=f"{day}") for day in (0, 0, 1)]
    files = [tmp_path / f"staged{number}" for number in range(len(staged))]
    for file, one in zip(files, staged, strict=True):
        file.write_bytes(pickle.dumps((place, one)))
    started = [fork("tests.stage_once", str(file), "partition", env=os.environ) for file in files]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert by_hour(place) == {hour: f"{hour // 24}" for hour in range(48)}
    assert len(spans(place)) == 2


def test_only_windows_are_partitions() -> None:
    with pytest.raises(ValidationError, match=r"landings\.sql\.partition: only in mode window"):
        specify([{"nql": "id"}], BY_WINDOW, mode="snapshot")
    assert specify(sql=BY_WINDOW).sql is not None
