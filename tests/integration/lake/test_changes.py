"""`NAME_changes`: what each object was, from when to when, made of the snapshots."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigurationError, SqlError
from connectors.lake import Lake
from connectors.lake.duckdb_file import write_database
from connectors.lake.query import query_lake
from connectors.lake.sql_views import Offered
from tests.integration.lake.test_sql import land
from tests.lakes import DAY, START, TENANT

KEY = {"nxp.key": "true"}
SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string(), metadata=KEY),
        pa.field("name", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("last_seen_at", pa.timestamp("us", "UTC")),
        pa.field("days_since_last_seen", pa.int64()),
    ]
)
CHANGES = (
    "SELECT uid, name, tags, valid_from, valid_to FROM devices_changes ORDER BY uid, valid_from"
)
Snapshots = Sequence[Mapping[str, tuple[str | None, tuple[str, ...] | None]]]


def lake_of(folder: Path, snapshots: Snapshots) -> Lake:
    """Land snapshots of devices, one a day: the name and tags of each device that is in it."""
    lake = Lake(str(folder), TENANT)
    for number, devices in enumerate(snapshots):
        at = START + number * DAY
        rows = [
            {"uid": uid, "name": name, "tags": tags, "last_seen_at": at, "days_since_last_seen": 0}
            for uid, (name, tags) in devices.items()
        ]
        land(lake, "devices", pa.Table.from_pylist(rows, SCHEMA), at, "snapshot")
    return lake


def changes(lake: Lake) -> list[tuple[Any, ...]]:
    return query_lake(lake, CHANGES)[1]


def test_a_device_renamed_twice_has_three_rows(tmp_path: Path) -> None:
    names = ["a", "a", "b", "b", "c", "c"]
    lake = lake_of(tmp_path, [{"u": (name, None)} for name in names])
    assert changes(lake) == [
        ("u", "a", None, START, START + 2 * DAY),
        ("u", "b", None, START + 2 * DAY, START + 4 * DAY),
        ("u", "c", None, START + 4 * DAY, None),
    ]
    # What changes every day shows the last snapshot's value, and begins no row.
    sql = "SELECT last_seen_at FROM devices_changes WHERE name = 'a'"
    assert query_lake(lake, sql)[1] == [(START + DAY,)]
    sql = "SELECT name FROM devices_changes WHERE valid_to IS NULL"
    assert query_lake(lake, sql)[1] == query_lake(lake, "SELECT name FROM devices")[1]


def test_a_database_of_views_has_changes_that_landed_later(tmp_path: Path) -> None:
    days: Snapshots = [{"u": ("a", None), "v": ("x", ())}, {"v": ("x", ())}, {"u": ("b", None)}]
    lake = lake_of(tmp_path / "early", days[:1])
    plain = pa.table({"n": [1], "valid_to": [1]})
    land(lake, "packages", plain, START, "snapshot")
    land(lake, "devices_history", plain, START)
    notes: list[str] = []
    keys = {"packages": ("n",)}
    offered = Offered(keys=lambda name: keys.get(name, ()), comments=lambda _: {"name": "of it"})
    views = write_database(lake, tmp_path / "db", offered=offered, note=notes.append)
    assert [each for each in views if each[0] != "_"] == [
        *("devices", "devices_changes", "devices_history", "packages", "packages_history")
    ]
    assert notes == [
        "packages_changes: packages has a column valid_to of its own: give it another name"
    ]
    lake_of(tmp_path / "early", days)
    with closing(duckdb.connect(str(tmp_path / "db"), read_only=True)) as database:
        database.execute("SET TimeZone = 'UTC'")
        assert database.execute(CHANGES).fetchall() == changes(lake) == expected(days)
        assert database.execute("FROM devices_history").fetchall() == [(1, 1, START.date())]
        said = "SELECT comment FROM duckdb_columns() WHERE table_name = 'devices_changes'"
        assert database.execute(said + " AND column_name = 'name'").fetchall() == [("of it",)]


def expected(snapshots: Snapshots) -> list[tuple[Any, ...]]:
    """Return the rows by a plain walk over the days."""
    found: list[tuple[Any, ...]] = []
    for uid in sorted({uid for each in snapshots for uid in each}):
        begun: tuple[Any, datetime] | None = None
        for number in range(len(snapshots) + 1):
            is_over = number == len(snapshots)
            state = None if is_over else snapshots[number].get(uid)
            at = START + number * DAY
            if begun is not None and (is_over or state != begun[0]):
                (name, tags), since = begun
                end = None if is_over else at
                found.append((uid, name, None if tags is None else list(tags), since, end))
                begun = None
            if state is not None and begun is None:
                begun = (state, at)
    return found


STATES = st.tuples(
    st.sampled_from(["a", "b", None]), st.sampled_from([None, (), ("x",), ("x", "y")])
)
DRAWN = st.lists(st.dictionaries(st.sampled_from("uvw"), STATES), min_size=1, max_size=6)


@given(DRAWN)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_rows_have_no_gap_and_no_overlap(tmp_path_factory: Any, snapshots: Snapshots) -> None:
    lake = lake_of(tmp_path_factory.mktemp("lake"), snapshots)
    assert changes(lake) == expected(snapshots)


def test_the_key_is_that_of_the_yaml_where_files_have_none(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), TENANT)
    plain = pa.table({"uid": ["u", "u"], "name": ["a", "b"]})
    land(lake, "devices", plain, START, "snapshot")
    sql = "SELECT * EXCLUDE (valid_from, valid_to) FROM devices_changes"
    with pytest.raises(ConfigurationError, match="devices has no key column in its snapshots"):
        query_lake(lake, sql)
    # A key that comes twice in a snapshot has one row.
    _, rows = query_lake(lake, sql, offered=Offered(keys=lambda _name: ("uid",)))
    assert rows == [("u", "a")]
    _, rows = query_lake(lake, sql, offered=Offered(keys=lambda _name: ("uid", "name")))
    assert sorted(rows) == [("u", "a"), ("u", "b")]


def test_a_dataset_may_have_the_name_of_a_word_of_sql(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), TENANT)
    snapshots = ({"uid": ["u"], "tags": [["a"]]}, {"uid": ["u"], "tags": [["b"]], "more": [1]})
    for number, columns in enumerate(snapshots):
        land(lake, "order", pa.table(columns), START + number * DAY, "snapshot")
    with pytest.raises(SqlError, match='write the dataset in double quotes, "order"'):
        query_lake(lake, "SELECT uid FROM order")
    named = Offered(keys=lambda _name: ("uid",))
    for view, rows in (("order", 1), ("order_history", 2), ("order_changes", 2)):
        assert query_lake(lake, f'SELECT count(*) FROM "{view}"', offered=named)[1] == [(rows,)]  # noqa: S608


def test_a_dataset_of_windows_has_no_such_view(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), TENANT)
    land(lake, "crashes", pa.table({"n": [1]}), START)
    with pytest.raises(SqlError, match="crashes_changes does not exist"):
        query_lake(lake, "FROM crashes_changes")
    # A dataset of the name is what it was.
    land(lake, "crashes_changes", pa.table({"n": [2]}), START)
    assert query_lake(lake, "SELECT n FROM crashes_changes")[1] == [(2,)]
    listed = [name for (name,) in query_lake(lake, "SHOW TABLES")[1]]
    assert listed == ["_changes", "_rejects", "_runs", "_targets", "crashes", "crashes_changes"]
