"""Queries of SQL databases as sources: PostgreSQL and SQLite."""

import json
import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    UnavailableError,
)
from connectors.sources import Completeness, Source, Sources, open_sources
from connectors.sources.source import BATCH_ROWS
from sandbox.hr.writing import write_hr
from sandbox.options import SandboxOptions
from tests.databases import Server
from tests.sources import SECRET, PostgresKind, SqliteKind, opened, people, rows_of

CHANGES = {
    "query": "SELECT id, name, at FROM {schema}.changes",
    "key": ["id"],
    "incremental": "at",
}


@pytest.fixture
def kind(postgres: Server) -> PostgresKind:
    return PostgresKind(postgres)


def one_value(kind: PostgresKind, expression: str) -> str | None:
    with opened(kind, query=f"SELECT {expression} AS v", key=[]) as source:
        (row,) = rows_of(source.pull())
    return row["v"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NULL", None),
        ("''", ""),
        ("42", "42"),
        ("12345678901234567890.120::numeric", "12345678901234567890.120"),
        ("1e-7::numeric", "0.0000001"),
        ("'NaN'::numeric", None),
        ("1.5::float8", "1.5"),
        ("'NaN'::float8", None),
        ("true", "true"),
        ("date '2026-11-20'", "2026-11-20"),
        ("time '08:30'", "08:30:00"),
        ("timestamp '2026-11-20 08:30:00.25'", "2026-11-20 08:30:00.250000"),
        ("timestamptz '2026-11-20 08:30:00+01'", "2026-11-20T07:30:00Z"),
        ("interval '90 seconds'", "90.0"),
        ("'\\x00ff'::bytea", "00ff"),
        ("array['é', null]", '["é", null]'),
        ('\'{"b": [1, "x"]}\'::jsonb', '{"b": [1, "x"]}'),
        ("'6f1c2f3e-0000-4000-8000-000000000001'::uuid", "6f1c2f3e-0000-4000-8000-000000000001"),
        ("inet '10.0.0.1'", "10.0.0.1"),
        ("'a:b %s %% :name \\:'", "a:b %s %% :name \\:"),
    ],
)
def test_every_type_has_one_text(kind: PostgresKind, expression: str, expected: str | None) -> None:
    assert one_value(kind, expression) == expected


def test_date_times_with_a_zone_do_not_depend_on_the_sessions(kind: PostgresKind) -> None:
    kind.server.run(f"ALTER ROLE {kind.user} SET timezone = 'Asia/Tokyo'")
    assert one_value(kind, "timestamptz '2026-11-20 08:30:00+01'") == "2026-11-20T07:30:00Z"
    assert one_value(kind, "timestamptz '9999-12-31 23:59:59Z'") == "9999-12-31T23:59:59Z"


def test_a_moment_beyond_the_calendar_is_told(kind: PostgresKind) -> None:
    with pytest.raises(DataRefusedError, match="cannot handle"):
        one_value(kind, "timestamp 'infinity'")


@pytest.mark.parametrize(
    "expression",
    [
        "timestamp '-infinity'",
        "timestamptz 'infinity'",
        "timestamptz '10000-01-01'",
        "date 'infinity'",
        "date '0044-03-15 BC'",
        "time '24:00'",
        "interval 'infinity'",
    ],
)
def test_a_time_that_python_does_not_have_names_its_column_and_row(
    kind: PostgresKind, expression: str
) -> None:
    query = f"SELECT n AS k, CASE n WHEN 3 THEN {expression} END AS v FROM generate_series(1, 4) n"  # noqa: S608
    with opened(kind, query=query, key=["k"]) as source:
        with pytest.raises(DataRefusedError, match=r"row 3: the column v holds .*cast .* to text"):
            rows_of(source.pull())
        assert len(rows_of(source.keys())) == 4
    told = pytest.raises(DataRefusedError, match=r"row 3: the column v")
    with opened(kind, query=query, key=["v"]) as source, told:
        rows_of(source.keys())
    told = pytest.raises(DataRefusedError, match=r"the column v holds a time")
    with opened(kind, query=query, key=["k"], incremental="v") as source, told:
        rows_of(source.pull())
    as_text = query.replace(" END AS v", "::text END AS v")
    with opened(kind, query=as_text, key=["k"]) as source:
        assert str(rows_of(source.pull())[2]["v"]).startswith(expression.split("'")[1])


def test_a_time_before_the_calendar_is_found_although_the_newest_is_fine(
    kind: PostgresKind,
) -> None:
    query = (
        "SELECT * FROM (VALUES (1, now()), (2, timestamptz '0044-03-15 BC')) AS t(k, at) ORDER BY k"
    )
    told = pytest.raises(DataRefusedError, match=r"row 2: the column at holds a time")
    with opened(kind, query=query, key=["k"], fields=["k"], incremental="at") as source, told:
        rows_of(source.pull())


def test_times_within_lists_and_ranges_are_text(kind: PostgresKind) -> None:
    assert one_value(kind, "array[date 'infinity', date '2026-11-20']") == (
        '["infinity", "2026-11-20"]'
    )
    assert "infinity" in str(one_value(kind, "tstzrange('2026-11-20', 'infinity')"))


def test_the_first_moment_of_the_calendar_has_no_overlap_before_it(kind: PostgresKind) -> None:
    query = "SELECT 1 AS k, timestamptz '0001-01-01 00:00Z' AS v"
    with opened(kind, query=query, key=["k"], incremental="v") as source:
        pull = source.pull()
        assert rows_of(pull) == [{"k": "1", "v": "0001-01-01T00:00:00Z"}]
        assert rows_of(source.pull(pull.outcome.cursor)) == []


@pytest.mark.parametrize(
    ("expression", "error", "told"),
    [
        ("interval '1 day'", ConfigurationError, "cannot be incremental"),
        ("time '08:30'", ConfigurationError, "cannot be incremental"),
        ("array[1]", ConfigurationError, "cannot be incremental"),
        ("'NaN'::numeric", DataRefusedError, "NaN or infinity"),
        ("'infinity'::float8", DataRefusedError, "NaN or infinity"),
    ],
)
def test_what_cannot_say_when_a_row_changed_is_refused(
    kind: PostgresKind, expression: str, error: type[PipelineError], told: str
) -> None:
    query = f"SELECT 1 AS k, {expression} AS v"
    with (
        opened(kind, query=query, key=["k"], incremental="v") as source,
        pytest.raises(error, match=f"the column v.*{told}"),
    ):
        rows_of(source.pull())


def test_a_query_means_the_same_in_a_key_scan_and_in_an_increment(kind: PostgresKind) -> None:
    kind.fill([{"id": "1", "name": " :name", "description": "100 %s"}])
    query = (
        f"SELECT id::text, name, 5 AS at FROM {kind.schema}.people "  # noqa: S608
        "WHERE name = ' :name' AND description LIKE '100 \\%%' -- as it is: %(x)s"
    )
    with opened(kind, query=query, incremental="at") as source:
        pull = source.pull()
        assert rows_of(pull) == [{"id": "1", "name": " :name", "at": "5"}]
        assert rows_of(source.keys()) == [{"id": "1"}]
        kind.fill([{"id": "2", "name": " :name", "description": "100 %s"}])
        assert [row["id"] for row in rows_of(source.pull(pull.outcome.cursor))] == ["2"]


def test_the_server_gives_rows_as_they_are_asked_for(kind: PostgresKind) -> None:
    """A later row cannot be computed; the batches before it still come."""
    bad = 4 * BATCH_ROWS
    query = f"SELECT n::text AS id, 1 / ({bad} - n) AS q FROM generate_series(1, 1000000) n"  # noqa: S608
    with opened(kind, query=query) as source:
        pull = source.pull()
        with pytest.raises(DataRefusedError, match="a row holds a value"):
            for _ in pull:
                pass
    assert 2 * BATCH_ROWS <= pull.rows < bad


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(kind: PostgresKind) -> None:
    query = "SELECT n::text AS id, repeat('x', 100) AS v FROM generate_series(1, 200000) n"
    with opened(kind, query=query) as source:
        tracemalloc.start()
        try:
            assert sum(batch.num_rows for batch in source.pull()) == 200_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # All rows as Python's objects are about 40 MB.
    assert peak < 12_000_000


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM {schema}.people RETURNING *) SELECT * FROM gone",
        "SELECT *, nextval('{schema}.numbers') FROM {schema}.people",
    ],
)
def test_a_query_that_writes_is_refused(kind: PostgresKind, query: str) -> None:
    kind.fill(people(3))
    kind.server.run(
        f"GRANT DELETE ON {kind.schema}.people TO {kind.user}",
        f"CREATE SEQUENCE {kind.schema}.numbers",
        f"GRANT ALL ON SEQUENCE {kind.schema}.numbers TO {kind.user}",
    )
    with opened(kind, query=query.format(schema=kind.schema), key=[]) as source:
        with pytest.raises(PipelineError) as raised:
            rows_of(source.pull())
        assert isinstance(raised.value, ConfigurationError)
    assert kind.server.run(f"SELECT count(*) FROM {kind.schema}.people") == [(3,)]  # noqa: S608


@pytest.mark.parametrize(
    ("query", "error", "told"),
    [
        ("SELECT * FROM {schema}.nowhere", ConfigurationError, "names a table"),
        ("SELECT nothing FROM {schema}.people", ConfigurationError, "names a column"),
        ("SELECT FROM WHERE", ConfigurationError, "not valid SQL"),
        ("SELECT * FROM {schema}.closed", AccessError, "lacks a right"),
        ("SELECT 'Marked Person'::int AS v", DataRefusedError, "a row holds a value"),
        ("SELECT id, id FROM {schema}.people", ConfigurationError, "column id twice"),
    ],
)
def test_what_the_server_refuses_is_told_in_our_words(
    kind: PostgresKind, query: str, error: type[PipelineError], told: str
) -> None:
    kind.fill(people(3))
    kind.server.run(f"CREATE TABLE {kind.schema}.closed (id text)")
    with (
        opened(kind, query=query.format(schema=kind.schema), key=[]) as source,
        pytest.raises(error, match=told) as raised,
    ):
        rows_of(source.pull())
    assert str(raised.value).startswith("source here")
    assert "Marked" not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_server_that_goes_away_in_the_middle_is_told(kind: PostgresKind) -> None:
    kind.fill(people(3 * BATCH_ROWS))
    with opened(kind) as source:
        batches = iter(source.pull())
        next(batches)
        kind.server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - a made name
            f"WHERE usename = '{kind.user}'"
        )
        with pytest.raises(UnavailableError):
            list(batches)


def test_a_database_that_is_not_there_is_told(kind: PostgresKind) -> None:
    kind.environ["NXP_SOURCE_HR_URL"] = kind.server.url.replace("/postgres", "/nowhere")
    with opened(kind) as source, pytest.raises(ConfigurationError, match="no such database"):
        source.check()


def test_a_pull_sees_one_state_of_the_data(kind: PostgresKind) -> None:
    kind.fill(people(2 * BATCH_ROWS))
    with opened(kind) as source:
        pull = source.pull()
        batches = iter(pull)
        next(batches)
        kind.server.run(f"DELETE FROM {kind.schema}.people")  # noqa: S608
        assert next(batches).num_rows == BATCH_ROWS
        assert rows_of(source.pull()) == []


class Changes:
    """A table whose rows change, and a copy kept by increments."""

    def __init__(self, kind: PostgresKind, column: str) -> None:
        self.kind = kind
        self.table = f"{kind.schema}.changes"
        kind.server.run(
            f"DROP TABLE IF EXISTS {self.table}",
            f"CREATE TABLE {self.table} (id text PRIMARY KEY, name text, at {column})",
            f"GRANT SELECT ON {self.table} TO {kind.user}",
        )
        self.specification = CHANGES | {"query": f"SELECT id, name, at FROM {self.table}"}  # noqa: S608
        self.copy: dict[str | None, Any] = {}
        self.cursor: str | None = None

    def write(self, key: str, name: str, at: str) -> None:
        self.kind.server.run(
            f"INSERT INTO {self.table} VALUES ('{key}', '{name}', '{at}') "  # noqa: S608
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, at = excluded.at"
        )

    def pull(self, source: Source) -> set[str | None]:
        pull = source.pull(self.cursor)
        rows = rows_of(pull)
        self.copy |= {row["id"]: row for row in rows}
        self.cursor = pull.outcome.cursor
        return {row["id"] for row in rows}


@pytest.mark.parametrize("column", ["timestamp", "timestamptz"])
def test_increments_miss_nothing_and_repeat_nothing(kind: PostgresKind, column: str) -> None:
    changes = Changes(kind, column)
    with opened(kind, **changes.specification) as source:
        # It is empty: there is no cursor yet, so the next pull is a full one.
        assert (changes.pull(source), changes.cursor) == (set(), None)
        changes.write("a", "one", "2026-11-20 08:00:00")
        changes.write("b", "one", "2026-11-20 09:00:00")
        assert changes.pull(source) == {"a", "b"}
        assert changes.pull(source) == set()
        # Committed after a later one, by a transaction that took five minutes.
        changes.write("c", "late", "2026-11-20 08:55:00")
        assert changes.pull(source) == {"c"}
        changes.write("b", "two", "2026-11-20 09:00:00")
        changes.write("d", "new", "2026-11-20 10:00:00.000001")
        assert changes.pull(source) == {"b", "d"}
        assert changes.pull(source) == set()
        assert changes.copy == {row["id"]: row for row in rows_of(source.pull())}
        assert source.pull(changes.cursor).schema.names == ["id", "name", "at"]


@pytest.mark.parametrize(
    ("column", "moments"), [("bigint", ("7", "9")), ("date", ("2026-11-19", "2026-11-20"))]
)
def test_numbers_and_dates_order_increments_too(
    kind: PostgresKind, column: str, moments: tuple[str, str]
) -> None:
    changes = Changes(kind, column)
    with opened(kind, **changes.specification) as source:
        changes.write("a", "one", moments[0])
        assert changes.pull(source) == {"a"}
        changes.write("b", "one", moments[0])
        changes.write("c", "one", moments[1])
        assert changes.pull(source) == {"b", "c"}
        assert changes.pull(source) == set()


ALTERED = {
    "text": ("2026-11-19", "2026-11-20"),
    "date": ("2026-11-19", "2026-11-20"),
    "bigint": ("7", "9"),
    "timestamptz": ("2026-11-19", "2026-11-20"),
    "timestamp": ("2026-11-19", "2026-11-20"),
}


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("timestamp", "text"),
        ("timestamp", "timestamptz"),
        ("date", "timestamp"),
        ("text", "bigint"),
        ("date", "date"),
    ],
)
def test_a_cursor_of_another_type_is_none_and_all_rows_come(
    kind: PostgresKind, then: str, now: str
) -> None:
    changes = Changes(kind, then)
    with opened(kind, **changes.specification) as source:
        changes.write("a", "one", ALTERED[then][0])
        changes.pull(source)
        cursor = changes.cursor
    changes = Changes(kind, now)
    with opened(kind, **changes.specification) as source:
        # An empty table has no moment to compare with.
        assert rows_of(source.pull(cursor)) == []
        for name, moment in zip("bc", ALTERED[now], strict=True):
            changes.write(name, "one", moment)
        pull = source.pull(cursor)
        assert {row["id"] for row in rows_of(pull)} == {"b", "c"}
        if then == now:
            assert pull.outcome.unusable is None
            return
        assert pull.outcome.completeness is Completeness.COMPLETE
        assert "but the column now has" in (pull.outcome.unusable or "")
        # What was kept then is of use again.
        again = source.pull(pull.outcome.cursor)
        assert rows_of(again) == []
        assert (again.outcome.completeness, again.outcome.unusable) == (Completeness.CHANGES, None)


def test_a_cursor_after_every_row_is_none_and_all_rows_come(tmp_path: Path) -> None:
    kind = SqliteKind(tmp_path)
    database = sqlite3.connect(kind.path)
    database.execute("CREATE TABLE people (id TEXT, at ANY)")
    database.executemany("INSERT INTO people VALUES (?, ?)", [("a", 5), ("b", 9)])
    database.commit()
    with opened(kind, query="SELECT id, at FROM people", incremental="at") as source:
        pull = source.pull()
        assert len(rows_of(pull)) == 2
        database.execute("UPDATE people SET at = at - 4")
        database.commit()
        behind = source.pull(pull.outcome.cursor)
        assert len(rows_of(behind)) == 2
        assert behind.outcome.unusable == "is later than every row"
        # Rows whose values have several types are read, too.
        database.execute("INSERT INTO people VALUES ('c', 'text')")
        database.commit()
        for _ in range(2):
            mixed = source.pull(behind.outcome.cursor)
            assert len(rows_of(mixed)) == 3
            assert mixed.outcome.cursor is None
            assert "several types" in str(mixed.outcome.unusable)
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: {**kept, "until": "[]"},
        lambda kept: {**kept, "until": '["datetime", "soon"]'},
        lambda kept: {**kept, "until": '["Decimal", "x"]'},
        lambda kept: {**kept, "until": '{"a": 1}'},
        lambda kept: {**kept, "until": None},
        lambda kept: {**kept, "known": "!"},
        lambda kept: {"version": 2, "mark": kept["until"]},
    ],
)
def test_a_damaged_cursor_is_none_and_all_rows_come(
    tmp_path: Path, damage: Callable[[dict[str, Any]], Any]
) -> None:
    kind = SqliteKind(tmp_path)
    kind.fill(people(3))
    with opened(kind, incremental="id") as source:
        pull = source.pull()
        rows_of(pull)
        damaged = json.dumps(damage(json.loads(pull.outcome.cursor or "")))
        for cursor in (damaged, "{", "[" * 100_000):
            again = source.pull(cursor)
            assert len(rows_of(again)) == 3
            assert (again.outcome.unusable or "").startswith("is damaged")


def test_an_increment_says_that_absence_means_nothing(kind: PostgresKind) -> None:
    changes = Changes(kind, "timestamp")
    changes.write("a", "one", "2026-11-20 08:00:00")
    with opened(kind, **changes.specification) as source:
        changes.pull(source)
        pull = source.pull(changes.cursor)
        rows_of(pull)
        assert pull.outcome.completeness is Completeness.CHANGES


def test_sqlite_is_opened_for_reading_alone(tmp_path: Path) -> None:
    kind = SqliteKind(tmp_path)
    kind.fill(people(3))
    before = kind.path.read_bytes()
    with opened(kind) as source:
        rows_of(source.pull())
    assert kind.path.read_bytes() == before
    kind.path.write_bytes(b"This is no database, whatever its name says." * 40)
    with opened(kind) as source, pytest.raises(ConfigurationError, match="not a SQLite database"):
        source.check()
    kind.path.unlink()
    with opened(kind) as source, pytest.raises(UnavailableError, match="no database file"):
        source.check()
    assert not kind.path.exists()


def test_sqlite_columns_of_several_types_are_text(tmp_path: Path) -> None:
    kind = SqliteKind(tmp_path)
    with sqlite3.connect(kind.path) as database:
        database.execute("CREATE TABLE mixed (id, v)")
        database.executemany(
            "INSERT INTO mixed VALUES (?, ?)",
            [("1", None), ("2", 7), ("3", "seven"), ("4", 7.5), ("5", b"\x07")],
        )
    database.close()
    with opened(kind, query="SELECT id, v FROM mixed ORDER BY id") as source:
        assert [row["v"] for row in rows_of(source.pull())] == [None, "7", "seven", "7.5", "07"]


def test_sqlite_increments_by_a_text_column(tmp_path: Path) -> None:
    kind = SqliteKind(tmp_path)
    with sqlite3.connect(kind.path) as database:
        database.execute("CREATE TABLE changes (id, at)")
        database.execute("INSERT INTO changes VALUES ('a', '2026-11-20 08:00:00')")
    database.close()
    stated = {"query": "SELECT id, at FROM changes", "incremental": "at"}
    with opened(kind, **stated) as source:
        first = source.pull()
        assert len(rows_of(first)) == 1
        with sqlite3.connect(kind.path) as database:
            database.execute("INSERT INTO changes VALUES ('b', '2026-11-20 08:00:00')")
        database.close()
        second = source.pull(first.outcome.cursor)
        assert [row["id"] for row in rows_of(second)] == ["b"]
        assert rows_of(source.pull(second.outcome.cursor)) == []


def test_the_personnel_tables_of_the_sandbox(tmp_path: Path) -> None:
    """A dump as a personnel system writes it, joined by the query."""
    options = SandboxOptions(queries=tmp_path, devices=40)
    (dump,) = write_hr(options, tmp_path, "sql")
    kind = SqliteKind(tmp_path)
    with sqlite3.connect(kind.path) as database:
        database.executescript(dump.read_text("utf-8"))
        (height,) = database.execute("SELECT count(*) FROM people").fetchone()
    database.close()
    query = """
        SELECT p.record_id, p.email, d.name AS department, p.recorded_at
        FROM people p LEFT JOIN departments d ON d.department_code = p.department_code;  -- all
    """.replace("  -- all", "")
    with opened(kind, query=query, key=["record_id"], incremental="recorded_at") as source:
        pull = source.pull()
        rows = rows_of(pull)
        assert len(rows) == height > 20
        assert rows_of(source.pull(pull.outcome.cursor)) == []


def test_a_driver_that_is_not_installed_is_told() -> None:
    sources = Sources.model_validate(
        {"hr": {"kind": "sql", "connection": "hr", "query": "SELECT 1"}}
    )
    for url in ("nosuch+driver://host/db", "mysql+nosuch://host/db"):
        with pytest.raises(ConfigurationError, match=r"NXP_SOURCE_HR_URL.*not installed"):
            open_sources(sources, {"NXP_SOURCE_HR_URL": url})
    with pytest.raises(ConfigurationError, match="not a SQLAlchemy URL") as raised:
        open_sources(sources, {"NXP_SOURCE_HR_URL": f"{SECRET} no url"})
    assert SECRET not in str(raised.value)
