"""What every landing promises, on the lake, on SQLite and on a real PostgreSQL server."""

import os
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.catalogue import ColumnType
from connectors.landings import Landing
from tests.databases import (
    DAY,
    START,
    Kind,
    LakePlace,
    Staged,
    decoded,
    devices,
    event_rows,
    specify,
    stage,
)
from tests.forks import fork
from tests.integration.land.conftest import DATABASES, database_place

EVENTS = [("at", pa.timestamp("us", "UTC")), ("n", pa.int64())]
DEVICES = [("id", pa.string()), ("n", pa.int64())]


@pytest.fixture(params=["lake", *DATABASES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Return an empty place of each kind."""
    if request.param == "lake":
        return LakePlace(tmp_path)
    return database_place(request.param, request, tmp_path)


@pytest.fixture
def window(tmp_path: Path) -> Callable[..., Staged]:
    """Stage a window with some rows."""

    def stage_window(
        rows: int, start: datetime = START, days: float = 1, run: str = "run"
    ) -> Staged:
        end = start + days * DAY
        spread = event_rows(rows, start, (end - start) / max(rows, 1))
        return stage(tmp_path, spread, EVENTS, start, end, run=run)

    return stage_window


def counts(place: Kind, specification: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in place.rows(specification):
        found[row["_nxp_run_id"]] = found.get(row["_nxp_run_id"], 0) + 1
    return found


AWKWARD: dict[ColumnType, tuple[pa.DataType, list[Any]]] = {
    ColumnType.STRING: (
        pa.string(),
        [
            "",
            None,
            'it\'s "quoted"',
            "two\nlines\r\n\ttab",
            "\U0001f600 Zürich \\N \\. %s {}",
            "NULL",
        ],
    ),
    ColumnType.INT: (pa.int64(), [0, None, -1, 2**63 - 1, -(2**63), 2**53 + 1]),
    ColumnType.FLOAT: (pa.float64(), [0.1, None, -1.5e-300, 1.7e308, 2.0, -0.0]),
    ColumnType.BOOL: (pa.bool_(), [True, None, False, True, False, True]),
    ColumnType.DATETIME: (
        pa.timestamp("us", "UTC"),
        [
            datetime(2026, 11, 18, 1, 2, 3, 456789, UTC),
            None,
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(1900, 1, 1, tzinfo=UTC),
            datetime(2262, 4, 12, 1, 1, 1, 1, UTC),
        ],
    ),
    ColumnType.DATE: (
        pa.date32(),
        [date(2026, 11, 18), None, date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), date.max],
    ),
    ColumnType.BYTES: (pa.int64(), [2**40, None, 0, 1, -1, 7]),
    ColumnType.DURATION: (pa.float64(), [0.000001, None, 1.25, 0.0, -3.5, 86400.0]),
    ColumnType.LIST: (
        pa.large_list(pa.large_string()),
        [["a,b", "", 'c"d', "{e}", "NULL"], None, [], ["\n\\", "\U0001f600"], [None, "x"], ["1"]],
    ),
    ColumnType.JSON: (
        pa.string(),
        [
            '{"a": [1, 2.50], "ü": null}',
            None,
            '"text"',
            "[]",
            "12345678901234567890",
            '{"a":1,"a":2}',
        ],
    ),
}


def test_every_type_lands_value_by_value(place: Kind, tmp_path: Path) -> None:
    assert set(AWKWARD) == set(ColumnType)
    columns = [{"nql": f"a {kind}", "type": str(kind)} for kind in AWKWARD]
    specification = specify(columns, dataset="types", mode="snapshot")
    fields = [(f"a_{kind}", type_) for kind, (type_, _) in AWKWARD.items()]
    rows = [{f"a_{kind}": values[n] for kind, (_, values) in AWKWARD.items()} for n in range(6)]
    landing = place.landing(specification)
    landing.check()
    stage(tmp_path, rows, fields, snapshot=True).publish(landing)
    landed = place.rows(specification)
    for row in landed:
        row["a_list"] = decoded(row["a_list"])
        if place.name == "postgres":
            # The driver parses JSON; test_sql_landing compares its text.
            row.pop("a_json")
            for expected in rows:
                expected.pop("a_json", None)
    books = {"_nxp_run_id": "run", "_nxp_exported_at": START + DAY}
    assert landed == [row | books for row in rows]


def test_a_window_landed_again_replaces_itself_and_nothing_else(
    place: Kind, window: Callable[..., Staged]
) -> None:
    specification = specify()
    landing = place.landing(specification)
    landing.check()
    for day, run in ((0, "a"), (1, "b"), (2, "c")):
        window(5, START + day * DAY, run=run).publish(landing)
    window(7, START + DAY, run="again").publish(landing)
    assert counts(place, specification) == {"a": 5, "again": 7, "c": 5}
    window(7, START + DAY, run="again").publish(landing)
    assert counts(place, specification) == {"a": 5, "again": 7, "c": 5}


def test_a_wider_window_takes_the_place_of_narrow_ones(
    place: Kind, window: Callable[..., Staged]
) -> None:
    specification = specify()
    landing = place.landing(specification)
    for day, run in ((0, "a"), (1, "b"), (2, "c")):
        window(5, START + day * DAY, run=run).publish(landing)
    window(10, START, days=2, run="wide").publish(landing)
    assert counts(place, specification) == {"wide": 10, "c": 5}


def test_a_window_is_half_open_to_the_microsecond(place: Kind, tmp_path: Path) -> None:
    specification = specify()
    landing = place.landing(specification)
    last = START + DAY - timedelta(microseconds=1)
    stage(tmp_path, [{"at": START, "n": 1}, {"at": last, "n": 2}], EVENTS).publish(landing)
    after = START + DAY
    stage(tmp_path, [{"at": after, "n": 3}], EVENTS, after, run="after").publish(landing)
    assert landing.rows_before(START, START + DAY) == 2
    stage(tmp_path, [], EVENTS, START, run="empty").publish(landing)
    assert [row["at"] for row in place.rows(specification)] == [after]


def test_an_empty_window_removes_its_rows(place: Kind, window: Callable[..., Staged]) -> None:
    specification = specify()
    landing = place.landing(specification)
    window(5, run="a").publish(landing)
    window(5, START + DAY, run="b").publish(landing)
    window(0).publish(landing)
    assert counts(place, specification) == {"b": 5}


def test_columns_that_come_later_are_null_in_what_was_there(place: Kind, tmp_path: Path) -> None:
    first = specify()
    stage(tmp_path, event_rows(1), EVENTS, run="a").publish(place.landing(first))
    columns = [column.model_dump() for column in first.columns]
    second = specify([*columns, {"nql": "x", "type": "float"}])
    rows = [{"at": START + DAY, "n": 1, "x": 0.5, "unasked": "text"}]
    fields = [*EVENTS, ("x", pa.float64()), ("unasked", pa.string())]
    landing = place.landing(second)
    landing.check()
    stage(tmp_path, rows, fields, START + DAY, run="b").publish(landing)
    # The next one lacks the undeclared column.
    fields = [*EVENTS, ("x", pa.float64())]
    rows = [{"at": START + 2 * DAY, "n": 2, "x": None}]
    stage(tmp_path, rows, fields, START + 2 * DAY, run="c").publish(landing)
    landed = sorted(place.rows(second), key=lambda row: row["_nxp_run_id"])
    assert [(row["n"], row["x"], row["unasked"]) for row in landed] == [
        (0, None, None),
        (1, 0.5, "text"),
        (2, None, None),
    ]


def test_of_snapshots_the_last_one_is_read(place: Kind, tmp_path: Path) -> None:
    specification = devices()
    landing = place.landing(specification)
    landing.check()
    assert landing.rows_before(START, START + DAY) == 0
    for day, run, count in ((0, "a", 3), (1, "b", 2), (1, "again", 4)):
        rows = [{"id": f"d{n}", "n": n} for n in range(count)]
        stage(tmp_path, rows, DEVICES, START + day * DAY, run=run, snapshot=True).publish(landing)
    assert counts(place, specification) == {"again": 4}
    assert landing.rows_before(START + 2 * DAY, START + 3 * DAY) == 4


def test_an_older_snapshot_does_not_replace_a_newer_one(place: Kind, tmp_path: Path) -> None:
    specification = devices()
    landing = place.landing(specification)
    for day, run in ((1, "newer"), (0, "older")):
        rows = [{"id": run, "n": 1}]
        stage(tmp_path, rows, DEVICES, START + day * DAY, run=run, snapshot=True).publish(landing)
    assert counts(place, specification) == {"newer": 1}


def test_an_empty_snapshot_empties(place: Kind, tmp_path: Path) -> None:
    specification = devices()
    landing = place.landing(specification)
    stage(tmp_path, [{"id": "d", "n": 1}], DEVICES, snapshot=True).publish(landing)
    stage(tmp_path, [], DEVICES, START + DAY, snapshot=True).publish(landing)
    assert place.rows(specification) == []


def test_the_rows_that_a_window_would_replace_are_counted(
    place: Kind, window: Callable[..., Staged]
) -> None:
    landing = place.landing(specify())
    assert landing.rows_before(START, START + DAY) == 0
    landing.check()
    assert landing.rows_before(START, START + DAY) == 0
    window(5).publish(landing)
    window(3, START + DAY).publish(landing)
    assert landing.rows_before(START, START + DAY) == 5
    assert landing.rows_before(START, START + 2 * DAY) == 8
    assert landing.rows_before(START - DAY, START) == 0


def test_windows_published_at_once_lose_nothing(place: Kind, window: Callable[..., Staged]) -> None:
    specification = specify()
    staged = [window(50, START + day * DAY, run=f"{day}") for day in range(6)]
    failed: list[BaseException] = []

    def publish(one: Staged) -> None:
        landing: Landing = place.landing(specification)
        try:
            landing.check()
            one.publish(landing)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)
        finally:
            landing.close()

    threads = [threading.Thread(target=publish, args=(one,)) for one in staged]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert counts(place, specification) == {f"{day}": 50 for day in range(6)}


def test_processes_that_publish_at_once_lose_nothing(
    place: Kind, window: Callable[..., Staged], tmp_path: Path
) -> None:
    staged = [window(5_000, START + day * DAY, run=f"{day}") for day in range(2)]
    files = [tmp_path / f"staged{number}" for number in range(len(staged))]
    for file, one in zip(files, staged, strict=True):
        file.write_bytes(pickle.dumps((place, one)))
    started = [fork("tests.stage_once", str(file), env=os.environ) for file in files]
    assert [process.wait() for process in started] == [0, 0]
    assert counts(place, specify()) == {"0": 5_000, "1": 5_000}


def test_windows_that_ended_before_an_instant_are_dropped(
    place: Kind, window: Callable[..., Staged]
) -> None:
    specification = specify()
    landing = place.landing(specification)
    assert landing.drop_before(START + DAY) == 0
    for day in range(4):
        window(5, START + day * DAY, run=f"{day}").publish(landing)
    until = START + 2 * DAY + timedelta(hours=1)
    assert landing.drop_before(until, dry_run=True) == 10
    assert len(place.rows(specification)) == 20
    assert landing.drop_before(until) == 10
    assert counts(place, specification) == {"2": 5, "3": 5}
    assert landing.drop_before(until) == 0
