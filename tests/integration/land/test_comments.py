"""Comments on tables and columns: what the YAML says, and never instead of a person's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.catalogue import DatasetSpecification
from connectors.errors import ConfigurationError
from tests.databases import SqlPlace, specify, stage
from tests.integration.land.conftest import database_place

LONG = "a_column_with_a_name_that_is_longer_than_what_any_database_keeps_of_a_name"
SAID = "Share of the drive that's in use, in 100 % of C:\\"
QUERIES = {
    "postgres": (
        (
            "SELECT a.attname::text, col_description(a.attrelid, a.attnum) FROM pg_attribute a "
            "WHERE a.attrelid = 'events'::regclass AND a.attnum > 0"
        ),
        "SELECT obj_description('events'::regclass, 'pg_class')",
    ),
    "mariadb": (
        (
            "SELECT column_name, nullif(column_comment, '') FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = 'events'"
        ),
        (
            "SELECT nullif(table_comment, '') FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 'events'"
        ),
    ),
    "duckdb": (
        "SELECT column_name, nullif(comment, '') FROM duckdb_columns() WHERE table_name = 'events'",
        "SELECT nullif(comment, '') FROM duckdb_tables() WHERE table_name = 'events'",
    ),
}
OWN = {
    "postgres": "COMMENT ON COLUMN events.n IS 'mine'",
    "duckdb": "COMMENT ON COLUMN events.n IS 'mine'",
    "mariadb": "ALTER TABLE events MODIFY COLUMN n BIGINT NULL COMMENT 'mine'",
}


@pytest.fixture(
    params=[
        "postgres",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("mariadb", "duckdb")),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    return database_place(request.param, request, tmp_path)


def comments(place: SqlPlace) -> dict[str, str]:
    """Return the comments that there are; that of the table under an empty name."""
    columns, table = QUERIES[place.name]
    found = {name: said for name, said in place.run(columns) if said}
    [(said,)] = place.run(table)
    return found | ({"": said} if said else {})


def events(n: str | None = None, **said: Any) -> DatasetSpecification:
    columns: list[dict[str, Any]] = [
        {"nql": "at", "type": "datetime", "nullable": False, "description": "When."},
        {"nql": "n", "type": "int", "description": n, "unit": "%" if n else None},
    ]
    return specify(columns, **said)


def test_comments_follow_the_yaml_and_spare_those_of_people(
    place: SqlPlace, window: Callable[..., Any]
) -> None:
    def land(specification: DatasetSpecification) -> None:
        window(2).publish(place.landing(specification))

    # A table of an earlier release, whose dataset says nothing.
    bare = specify()
    land(bare)
    assert comments(place) == {}

    land(events(SAID, title="Events", description="All of them", grain="one row per event"))
    assert comments(place) == {
        "": "Events. All of them. Grain: one row per event.",
        "at": "When.",
        "n": f"{SAID} [%]",
    }
    land(events("How many", title="Events"))
    assert comments(place) == {"": "Events.", "at": "When.", "n": "How many [%]"}
    land(events(title="Events"))
    assert comments(place) == {"": "Events.", "at": "When."}

    place.run(OWN[place.name])
    land(events(SAID))
    assert comments(place) == {"at": "When.", "n": "mine"}
    rows = place.table("events")
    assert [row["n"] for row in rows] == [row["n"] for row in place.rows(bare)]
    assert len(rows) == 2


def test_the_table_of_comments_is_reserved_and_lost_permissions_stop_no_landing(
    place: SqlPlace, window: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigurationError, match="nxp_comments is reserved"):
        place.landing(specify(sql={"table": "nxp_comments"}))
    window(2).publish(place.landing(specify()))
    # Whatever keeps the comments from being written.
    place.run("CREATE TABLE nxp_comments (nothing INTEGER)")
    window(3).publish(place.landing(events(SAID)))
    assert len(place.table("events")) == 3
    assert comments(place) == {}


@pytest.mark.slow
def test_a_short_name_keeps_the_long_one_as_its_comment(place: SqlPlace, tmp_path: Path) -> None:
    if place.name == "duckdb":
        return
    columns: list[dict[str, Any]] = [
        {"nql": "id", "key": True, "description": "Which."},
        {"nql": LONG, "type": "int", "description": "Much."},
    ]
    specification = specify(columns, mode="snapshot", title="Things")
    for _ in range(2):
        fields = [("id", pa.string()), (LONG, pa.int64())]
        stage(tmp_path, [{"id": "a", LONG: 1}], fields, snapshot=True).publish(
            place.landing(specification)
        )
    found = comments(place)
    assert {found.pop(""), found.pop("id")} == {"Things.", "Which."}
    assert list(found.values()) == [LONG]
