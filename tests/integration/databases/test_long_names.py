"""Names that a database cuts or keeps for itself: columns land under short ones."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.catalogue import DatasetSpecification
from connectors.databases.names import POSTGRESQL, SQLITE, folded, twins
from connectors.errors import ConfigurationError, DataRefusedError
from connectors.sql import SqlLanding
from tests.databases import START, TENANT, Server, SqlPlace, specify, stage

HOUR = timedelta(hours=1)
PREFIX = "remote_action_get_disk_and_battery_report_of_every_laptop_outputs_"
LONG, OTHER = f"{PREFIX}free_disk_space", f"{PREFIX}battery_health"
assert LONG[:63] == OTHER[:63]


@pytest.fixture
def place(postgres: Server) -> SqlPlace:
    return SqlPlace("postgres", postgres.new_schema_url())


def outputs(*names: str, **more: Any) -> DatasetSpecification:
    columns: list[dict[str, Any]] = [{"nql": "id", "nullable": False, "key": True}]
    columns += [{"nql": name, "type": "int"} for name in names]
    return specify(columns, dataset="outputs", mode="snapshot", **more)


def land(place: SqlPlace, folder: Path, specification: DatasetSpecification, **values: Any) -> None:
    """Land a snapshot of one row."""
    fields = [
        ("id", pa.string()),
        *((name, pa.scalar(value).type) for name, value in values.items()),
    ]
    landing = place.landing(specification)
    landing.check()
    stage(folder, [{"id": "a", **values}], fields, snapshot=True).publish(landing)


def landed(place: SqlPlace) -> dict[str, Any]:
    (row,) = place.table("outputs")
    return {name: value for name, value in row.items() if name == "id" or isinstance(value, int)}


def comments(place: SqlPlace) -> dict[str, str]:
    return dict(
        place.run(
            "SELECT attname::text, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = 'outputs'::regclass AND col_description(attrelid, attnum) IS NOT NULL"
        )
    )


@pytest.mark.parametrize(
    "load",
    ["upsert", *(pytest.param(load, marks=pytest.mark.slow) for load in ("replace", "append"))],
)
def test_long_and_reserved_names_land_again_and_again(
    place: SqlPlace, tmp_path: Path, load: str
) -> None:
    specification = outputs(LONG, OTHER, "xmin", sql={"snapshot": load})
    for n in range(2):
        land(place, tmp_path, specification, **{LONG: n, OTHER: n + 10, "xmin": n + 20})
    short = {name: POSTGRESQL.short(name) for name in (LONG, OTHER, "xmin")}
    found = landed(place)
    assert [found[name] for name in short.values()] == [1, 11, 21]
    assert comments(place) == {stored: name for name, stored in short.items()}
    # A new long column of the same beginning joins them.
    third = f"{PREFIX}third"
    land(place, tmp_path, specification, **{LONG: 5, OTHER: 6, "xmin": 7, third: "8"})
    assert place.landing(specification).rows_before(START, START) == 1
    rows = place.table("outputs")
    assert [row.get(POSTGRESQL.short(third)) for row in rows][-1] == "8"


def test_a_long_time_column_and_a_long_key_work_too(place: SqlPlace, tmp_path: Path) -> None:
    at, key = f"{PREFIX}started_at", f"{PREFIX}device_uid"
    columns = [{"nql": name, "type": "datetime"} for name in ("at", at)]
    events = specify(columns, window={"column": at, "from": "from", "to": "to"})
    fields = [("at", pa.timestamp("us", "UTC")), (at, pa.timestamp("us", "UTC"))]
    for rows in (3, 2):
        staged = [{"at": START + n * HOUR, at: START + n * HOUR} for n in range(rows)]
        stage(tmp_path, staged, fields).publish(place.landing(events))
    assert place.landing(events).rows_before(START, START + HOUR) == 1
    assert len(place.table("events")) == 2
    assert place.landing(events).drop_before(START + 24 * HOUR) == 2
    keyed = specify(
        [{"nql": key, "nullable": False, "key": True}],
        {"snapshot": "upsert"},
        dataset="outputs",
        mode="snapshot",
    )
    for keys in ("ab", "bc"):
        stage(
            tmp_path, [{key: each} for each in keys], [(key, pa.string())], snapshot=True
        ).publish(place.landing(keyed))
    landed = sorted(row[POSTGRESQL.short(key)] for row in place.table("outputs"))
    assert landed == ["a", "b", "c"]
    with pytest.raises(DataRefusedError, match="1 keys"):
        stage(tmp_path, [{key: "d"}] * 2, [(key, pa.string())], snapshot=True).publish(
            place.landing(keyed)
        )


def test_a_table_whose_name_was_cut_by_an_older_version_goes_on(
    place: SqlPlace, tmp_path: Path
) -> None:
    land(place, tmp_path, outputs(LONG), **{LONG: 1})
    place.run(f"ALTER TABLE outputs RENAME COLUMN {POSTGRESQL.short(LONG)} TO {LONG[:63]}")
    place.run(f"COMMENT ON COLUMN outputs.{LONG[:63]} IS NULL")
    land(place, tmp_path, outputs(LONG), **{LONG: 2})
    assert landed(place) == {"id": "a", LONG[:63]: 2}
    # From now on its comment says which column it is.
    assert comments(place) == {LONG[:63]: LONG}
    land(place, tmp_path, outputs(OTHER, LONG), **{LONG: 3, OTHER: 4})
    assert landed(place) == {"id": "a", LONG[:63]: 3, POSTGRESQL.short(OTHER): 4}
    land(place, tmp_path, outputs(OTHER), **{OTHER: 5})
    assert landed(place) == {"id": "a", POSTGRESQL.short(OTHER): 5}


def test_a_cut_column_that_may_hold_either_of_two_is_asked_for(
    place: SqlPlace, tmp_path: Path
) -> None:
    land(place, tmp_path, outputs(LONG), **{LONG: 1})
    place.run(
        f"ALTER TABLE outputs RENAME COLUMN {POSTGRESQL.short(LONG)} TO {LONG[:63]}",
        f"COMMENT ON COLUMN outputs.{LONG[:63]} IS NULL",
    )
    with pytest.raises(ConfigurationError, match=r"may hold any of .*COMMENT ON COLUMN"):
        land(place, tmp_path, outputs(OTHER, LONG), **{OTHER: 2, LONG: 3})
    place.run(f"COMMENT ON COLUMN outputs.{LONG[:63]} IS '{LONG}'")
    land(place, tmp_path, outputs(OTHER, LONG), **{OTHER: 2, LONG: 3})
    assert landed(place) == {"id": "a", LONG[:63]: 3, POSTGRESQL.short(OTHER): 2}


def test_a_name_that_just_fits_is_not_taken_for_a_cut_one(place: SqlPlace, tmp_path: Path) -> None:
    just = LONG[:63]
    land(place, tmp_path, outputs(just), **{just: 1})
    land(place, tmp_path, outputs(LONG, just), **{LONG: 2, just: 3})
    assert landed(place) == {"id": "a", just: 3, POSTGRESQL.short(LONG): 2}


def test_a_persons_comment_stays(place: SqlPlace, tmp_path: Path) -> None:
    land(place, tmp_path, outputs(LONG), **{LONG: 1})
    place.run(f"COMMENT ON COLUMN outputs.{POSTGRESQL.short(LONG)} IS 'free space, in bytes'")
    land(place, tmp_path, outputs(LONG), **{LONG: 2})
    assert comments(place) == {POSTGRESQL.short(LONG): "free space, in bytes"}
    assert landed(place)[POSTGRESQL.short(LONG)] == 2


def test_a_table_of_a_dataset_with_a_long_name_needs_one_by_hand(place: SqlPlace) -> None:
    long = specify(dataset="d" * 64)
    with pytest.raises(ConfigurationError, match=r"more than 63 bytes.*table"):
        place.landing(long)
    place.landing(specify(dataset="d" * 64, sql={"table": "short"})).check()


def test_sqlite_takes_any_name_and_finds_it_in_any_case(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'landed.db'}"
    place = SqlPlace("sqlite", url)
    land(place, tmp_path, outputs(LONG, OTHER, "xmin"), **{LONG: 1, OTHER: 2, "xmin": 3})
    place.run(f"ALTER TABLE outputs RENAME COLUMN {LONG} TO {LONG.upper()}")
    land(place, tmp_path, outputs(LONG, OTHER, "xmin"), **{LONG: 4, OTHER: 5, "xmin": 6})
    assert landed(place) == {"id": "a", LONG.upper(): 4, OTHER: 5, "xmin": 6}
    SqlLanding(url, TENANT, specify(dataset="d" * 64)).check()


def test_short_names_fit_and_never_change() -> None:
    assert POSTGRESQL.short(LONG) == f"{LONG[:54]}_" + POSTGRESQL.short(LONG)[-8:]
    assert POSTGRESQL.short("x" * 64) == "x" * 54 + "_7ce100971f64e7001e8fe5a51973ecdf"[:9]
    assert POSTGRESQL.short("x" * 63) == "x" * 63
    assert SQLITE.short("x" * 300) == "x" * 300
    assert len(POSTGRESQL.short("ä" * 40).encode()) <= 63


def test_only_ascii_letters_have_another_case() -> None:
    """DuckDB compares names like this."""
    assert folded("UPN-É") == "upn-É"
    assert twins(["UPN", "upn", "É", "é", "a", "A", "a"]) == ["UPN and upn", "a and A"]
