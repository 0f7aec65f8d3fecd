"""MariaDB and DuckDB value by value, and what MySQL's ways would do to rows, keys and failures."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.engine import make_url

from connectors.catalogue import ColumnType
from connectors.databases.urls import driver_problem
from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)
from connectors.sql import SqlLanding
from connectors.sql.opening import open_database
from nxp.processes import free_port
from tests.databases import (
    DAY,
    START,
    TENANT,
    DuckdbPlace,
    MariadbServer,
    SqlPlace,
    Staged,
    decoded,
    devices,
    event_rows,
    specify,
    stage,
)
from tests.integration.land.test_landings import AWKWARD, DEVICES, EVENTS

MORE: dict[ColumnType, list[Any]] = {
    ColumnType.STRING: [" a ", "a", "A", "\0", "\\'\"%s:x", "e\u0301", "\x1a", "x" * 100_000],
    ColumnType.FLOAT: [5e-324, 0.1 + 0.2, -1e22, 123456789.123456789, 1e-7, 1.0, 3.0, 2.0**60],
    ColumnType.DATETIME: [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(999, 12, 31, 23, 59, 59, 1, UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(1000, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
        None,
    ],
    ColumnType.DATE: [date(999, 12, 31), date(2000, 2, 29), *[date(1, 1, 1)] * 6],
}


@pytest.fixture
def maria(mariadb: MariadbServer) -> SqlPlace:
    """Return an empty database of a server whose settings are hostile, in New York's time."""
    return SqlPlace("mariadb", mariadb.database())


@pytest.fixture(params=["mariadb", "duckdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    """Return an empty database of each of the two."""
    if request.param == "duckdb":
        return DuckdbPlace(tmp_path / "landed.duckdb")
    found: SqlPlace = request.getfixturevalue("maria")
    return found


def test_all_types_are_in_the_table_as_in_the_parquet_files(
    place: SqlPlace, tmp_path: Path
) -> None:
    values = {kind: AWKWARD[kind][1] + MORE.get(kind, []) for kind in AWKWARD}
    count = max(map(len, values.values()))
    columns = [{"nql": f"a {kind}", "type": str(kind)} for kind in AWKWARD]
    fields = [("at", EVENTS[0][1]), *((f"a_{kind}", each[0]) for kind, each in AWKWARD.items())]
    specification = specify(
        [{"nql": "at", "type": "datetime", "nullable": False}, *columns], dataset="types"
    )
    landing = place.landing(specification)
    files = []
    for day in range(2):
        rows = [
            {"at": START + day * DAY}
            | {f"a_{kind}": each[n % len(each)] for kind, each in values.items()}
            for n in range(count)
        ]
        staged = stage(tmp_path, rows, fields, START + day * DAY)
        files += [pq.read_table(file.path) for file in staged.files]
        staged.publish(landing)
        staged.publish(landing)
    expected = pa.concat_tables(files).to_pylist()
    landed = [row | {"a_list": decoded(row["a_list"])} for row in place.table("types")]
    order = [f"a_{ColumnType.STRING}", f"a_{ColumnType.INT}", "at"]

    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: [repr(row[name]) for name in (*order, "a_date")])

    assert ordered(landed) == ordered(expected)


def test_keys_that_differ_a_little_are_different_keys(place: SqlPlace, tmp_path: Path) -> None:
    landing = place.landing(devices({"snapshot": "upsert"}))
    keys = ["a", "A", "a ", "\u00e4", "a\u0308", "\u00df", "ss", "k" * 300, "k" * 299 + "K", ""]
    for day, most in enumerate((len(keys), 4)):
        rows = [{"id": key, "n": day} for key in keys[:most]]
        stage(tmp_path, rows, DEVICES, START + day * DAY, snapshot=True).publish(landing)
    landed = {row["id"]: row["n"] for row in place.table("devices")}
    assert landed == {key: int(number < 4) for number, key in enumerate(keys)}


def test_what_people_made_of_a_key_does_not_merge_rows(maria: SqlPlace, tmp_path: Path) -> None:
    landing = maria.landing(devices({"snapshot": "upsert"}))
    landing.check()
    maria.run("ALTER TABLE devices MODIFY id VARCHAR(100) COLLATE utf8mb4_general_ci NOT NULL")
    for n in range(2):
        rows = [{"id": key, "n": n} for key in ("a", "A", "a ")]
        stage(tmp_path, rows, DEVICES, START + n * DAY, snapshot=True).publish(landing)
    assert sorted((row["id"], row["n"]) for row in maria.table("devices")) == [
        ("A", 1),
        ("a", 1),
        ("a ", 1),
    ]


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_mariadb_cannot_hold_is_refused_and_duckdb_holds_it(
    place: SqlPlace, tmp_path: Path, number: float
) -> None:
    columns = [{"nql": "f", "type": "float"}]
    staged = stage(tmp_path, [{"f": number}, {"f": None}], [("f", pa.float64())], snapshot=True)
    landing = place.landing(specify(columns, mode="snapshot"))
    if place.name == "mariadb":
        with pytest.raises(DataRefusedError, match="column f holds an infinite number or NaN"):
            staged.publish(landing)
        assert place.table("events") == []
        return
    staged.publish(landing)
    assert [str(row["f"]) for row in place.table("events")] == [str(number), "None"]


def staged_texts(folder: Path, *texts: str) -> Staged:
    rows = [{"c": text} for text in texts]
    return stage(folder, rows, [("c", pa.string())], snapshot=True)


@pytest.mark.slow
def test_a_row_that_is_too_large_for_the_server(maria: SqlPlace, tmp_path: Path) -> None:
    landing = maria.landing(specify([{"nql": "c"}], mode="snapshot"))
    staged_texts(tmp_path, "small").publish(landing)
    with pytest.raises(DataRefusedError, match=r"raise its max_allowed_packet; .*unchanged"):
        staged_texts(tmp_path, "secret" * 3_000_000).publish(landing)
    assert [row["c"] for row in maria.table("events")] == ["small"]


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ("MODIFY c VARCHAR(3)", DataRefusedError, "column c holds a value that its type"),
        ("MODIFY c TEXT CHARACTER SET latin1", DataRefusedError, "column c is text in latin1"),
        ("ADD UNIQUE few (c(1))", DataRefusedError, "rows break constraint few"),
        ("ENGINE = MyISAM", ConfigurationError, "a table of MyISAM, which has no transactions"),
        ("ADD COLUMN d INT NOT NULL", None, ""),
    ],
)
def test_what_people_did_to_a_table_is_borne_or_explained(
    maria: SqlPlace, tmp_path: Path, change: str, kind: type[PipelineError] | None, message: str
) -> None:
    landing = maria.landing(specify([{"nql": "c"}], mode="snapshot"))
    landing.check()
    maria.run(f"ALTER TABLE events {change}")
    if kind is None:
        staged_texts(tmp_path, "one").publish(landing)
        return
    with pytest.raises(kind, match=message) as caught:
        staged_texts(tmp_path, "secret one", "secret two").publish(landing)
    assert "secret" not in str(caught.value)
    assert maria.table("events") == []


def test_permissions_and_names_of_mariadb(mariadb: MariadbServer, tmp_path: Path) -> None:
    name = make_url(mariadb.database()).database or ""
    mariadb.run(
        "CREATE OR REPLACE USER lander@localhost", f"GRANT SELECT ON {name}.* TO lander@localhost"
    )
    landing = SqlLanding(mariadb.url(name, "lander"), TENANT, specify())
    with pytest.raises(StorageError, match="lacks a permission"):
        landing.check()
    rights = "SELECT, INSERT, DELETE, CREATE, INDEX, ALTER, CREATE TEMPORARY TABLES"
    mariadb.run(f"GRANT {rights} ON {name}.* TO lander@localhost")
    landing.check()
    stage(tmp_path, event_rows(3), EVENTS).publish(landing)
    assert landing.rows_before(START, START + DAY) == 3
    for url, message in (
        (mariadb.url("nowhere"), "refuses the user|there is no database"),
        (mariadb.url(name, "nobody"), "refuses the user"),
        (mariadb.url(""), "does not name a database"),
    ):
        with pytest.raises(ConfigurationError, match=f"NXP_DATABASE_URL.*({message})"):
            SqlLanding(url, TENANT, specify()).check()
    url = f"mysql://u:pw@127.0.0.1:{free_port()}/x"
    with pytest.raises(UnavailableError, match="no database answers"):
        SqlLanding(url, TENANT, specify()).check()


def test_a_column_grows_on_mariadb_and_keeps_its_comment(maria: SqlPlace, tmp_path: Path) -> None:
    long = "a_" + "very_" * 15 + "long_name"
    strict = [{"nql": "id", "nullable": False}, {"nql": long, "nullable": False}]
    maria.landing(specify(strict, mode="snapshot")).check()
    eased = [{"nql": "id"}, {"nql": "n", "type": "int"}]
    landing = maria.landing(specify(eased, mode="snapshot"))
    fields = [("id", pa.string()), ("n", pa.int64())]
    stage(tmp_path, [{"id": None, "n": 1}], fields, snapshot=True).publish(landing)
    [row] = maria.table("events")
    assert (row["id"], row["n"]) == (None, 1)
    comments = maria.run(
        "SELECT column_comment FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = 'events' AND column_comment <> ''"
    )
    assert comments == [(long,)]


@pytest.mark.slow
def test_another_process_that_has_the_duckdb_file_open_is_waited_for(
    tmp_path: Path, opened_elsewhere: Callable[[Path, float], None]
) -> None:
    path = tmp_path / "landed.duckdb"
    place = DuckdbPlace(path)
    place.landing(specify()).check()
    assert path.stat().st_mode & 0o777 == 0o600
    opened_elsewhere(path, 0.5)
    stage(tmp_path, event_rows(3), EVENTS).publish(place.landing(specify()))
    assert len(place.table("events")) == 3


@pytest.mark.slow
def test_units_of_one_process_open_and_close_the_duckdb_file_at_once(tmp_path: Path) -> None:
    database = open_database(f"duckdb:///{tmp_path / 'landed.duckdb'}")

    def open_and_close(number: int) -> None:
        session = database.begin("events", writes=number % 4 == 0)
        session.scalar("SELECT count(*) FROM duckdb_tables()")
        session.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_and_close, range(600))) == [None] * 600


def test_a_missing_driver_is_a_finding() -> None:
    assert driver_problem("mysql://h/x") is None
    assert "pip install oracledb" in (driver_problem("oracle+oracledb://h/x") or "")
