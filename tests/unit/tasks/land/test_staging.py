"""Staging the results of one unit that came in parts."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.catalogue import Column, DatasetSpecification
from connectors.errors import DataRefusedError
from connectors.lake import Lake
from connectors.lake.stage import as_written
from tasks.exports.windows import Window
from tasks.land.staging import ResultPart, RowLimitReachedError, Staged, Staging

START = datetime(2026, 11, 19, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
SPECIFICATION = DatasetSpecification.model_validate(
    {
        "dataset": "events",
        "query_id": "#events",
        "mode": "window",
        "window": {"column": "at", "from": "from", "to": "to"},
        "columns": [
            Column.model_validate({"nql": "at", "type": "datetime"}),
            Column.model_validate({"nql": "id", "key": True}),
            Column.model_validate({"nql": "n", "type": "int"}),
        ],
    }
)


def stage(tmp_path: Path, *results: str, shards: bool = False, limit: int | None = None) -> Staged:
    """Stage results, each written to its own file."""
    lake = Lake(str(tmp_path / "lake"), "acme.eu")
    with Staging(
        SPECIFICATION,
        "unit",
        "UTC",
        "run",
        lambda schema: lake.stage("events", "run", "unit", schema),
        row_limit=limit,
    ) as staging:
        for number, text in enumerate(results):
            path = tmp_path / f"{number}.csv"
            path.write_text(text)
            exported_at = START + timedelta(days=1, minutes=number)
            staging.add(ResultPart(path, f"part {number}", WINDOW, shards, exported_at))
            assert not path.exists()
        return staging.finish()


def rows(staged: Staged) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file.path, hive_partitioning=False) for file in staged.files])


def test_parts_are_one_result_and_each_row_knows_its_own_export(tmp_path: Path) -> None:
    staged = stage(
        tmp_path,
        "at,id,n\n2026-11-19 01:00:00,a,1\n",
        "",
        "id,at,n\nb,2026-11-19 13:00:00,2\nc,2026-11-19 14:00:00,x\n",
    )
    found = rows(staged)
    assert found["id"].to_list() == ["a", "b"]
    minutes = found["_nxp_exported_at"].dt.minute().to_list()
    assert minutes == [0, 2]
    counts = staged.counts
    assert (counts.read, counts.landed, counts.rejected) == (3, 2, 1)
    assert staged.rejected[0].rejects["record"].to_list() == [3]


def test_a_row_that_came_in_two_shards_lands_once_the_latest(tmp_path: Path) -> None:
    staged = stage(
        tmp_path,
        "at,id,n\n2026-11-19 01:00:00,a,1\n2026-11-19 02:00:00,b,2\n",
        "at,id,n\n2026-11-19 01:00:00,a,7\n",
        shards=True,
    )
    found = rows(staged).sort("id")
    assert found.select("id", "n").rows() == [("a", 7), ("b", 2)]
    counts = staged.counts
    assert (counts.read, counts.landed, counts.duplicates) == (3, 2, 1)
    counts.check("events")
    assert sum(file.rows for file in staged.files) == 2
    assert not staged.may_repeat_keys


def test_parts_of_time_keep_rows_of_one_key(tmp_path: Path) -> None:
    staged = stage(
        tmp_path, "at,id,n\n2026-11-19 01:00:00,a,1\n", "at,id,n\n2026-11-19 13:00:00,a,2\n"
    )
    assert len(rows(staged)) == staged.counts.landed == 2
    assert staged.may_repeat_keys


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        pytest.param(["01:00:00,a,1", '02:00:00,"",2'], ["a", ""], id="all"),
        pytest.param(["01:00:00,a,1", "02:00:00,b,x", "03:00:00,c,3"], ["a", "c"], id="a reject"),
        pytest.param(["01:00:00,a,1", "02:00:00,b", "03:00:00,c,3"], ["a", "c"], id="a short row"),
    ],
)
def test_text_lands_with_the_rows_it_was_read_with(
    tmp_path: Path, lines: list[str], ids: list[str]
) -> None:
    staged = stage(tmp_path, "\n".join(["at,id,n", *(f"2026-11-19 {line}" for line in lines), ""]))
    assert rows(staged)["id"].to_list() == ids


def test_parts_with_different_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefusedError, match="different columns"):
        stage(tmp_path, "at,id,n\n", "at,id,n,more\n2026-11-19 01:00:00,a,1,2\n")


def test_a_result_of_as_many_rows_as_the_limit_is_to_be_divided(tmp_path: Path) -> None:
    text = "at,id,n\n2026-11-19 01:00:00,a,1\n2026-11-19 02:00:00,b,2\n"
    with pytest.raises(RowLimitReachedError) as caught:
        stage(tmp_path, text, limit=2)
    assert caught.value.part == "part 0"


def test_rows_that_change_are_kept_only_where_limit_is_not_reached(tmp_path: Path) -> None:
    text = "at,id,n\n2026-11-19 01:00:00,a,1\n2026-11-19 02:00:00,b,2\n"
    assert stage(tmp_path, text, limit=3).counts.landed == 2


def test_all_landed_rows_pass_through_frames(tmp_path: Path) -> None:
    seen: list[pl.DataFrame] = []

    def watch(frame: FrameType, event: str, _value: object) -> None:
        if event == "return" and frame.f_code is as_written.__code__:
            assert isinstance(frame.f_locals["rows"], pl.DataFrame)
            seen.append(frame.f_locals["rows"])

    lines = [f"2026-11-19 {n % 24:02}:00:00,d{n},{n}" for n in range(5_000)]
    sys.setprofile(watch)
    try:
        staged = stage(tmp_path, "\n".join(["at,id,n", *lines, ""]))
    finally:
        sys.setprofile(None)
    assert pl.concat(seen).equals(rows(staged))
    assert len(rows(staged)) == staged.counts.landed == len(lines)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=9)
ROWS = st.lists(
    st.tuples(
        st.none() | st.just("") | TEXTS,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.booleans(),
        st.none() | st.dates(date(1, 1, 1)),
        st.none() | st.datetimes(datetime(1980, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - local
        st.none() | st.lists(TEXTS.filter(lambda text: text != "null"), max_size=3),
    ),
    max_size=20,
)


def as_csv(value: object) -> str:
    """Return a value as the tenant writes it, null as an empty field and text in quotes."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, bool | list) else str(value)
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich"])
@given(written=ROWS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_hold_each_value_that_was_sent(
    tmp_path: Path, zone: str, written: list[tuple[object, ...]]
) -> None:
    kinds = ["string", "int", "float", "bool", "date", "datetime", "list"]
    columns = [{"nql": f"c.{kind}", "name": f"c_{kind}", "type": kind} for kind in kinds]
    dataset = DatasetSpecification.model_validate(
        {"dataset": "all", "query_id": "#all", "mode": "snapshot", "columns": columns}
    )
    path = tmp_path / "all.csv"
    header = ",".join(f"c.{kind}" for kind in kinds)
    lines = [",".join(as_csv(value) for value in row) for row in written]
    path.write_text("\n".join([header, *lines, ""]), newline="")
    lake = Lake(str(tmp_path / "lake"), "acme.eu")
    with Staging(
        dataset, "20261119T000000Z", zone, "run", lambda schema: lake.stage("a", "r", "u", schema)
    ) as staging:
        staging.add(ResultPart(path, "whole", None, is_shard=False, exported_at=START))
        files = staging.finish().files
    found = pq.read_table(files[0].path, partitioning=None).drop_columns(
        ["_nxp_run_id", "_nxp_exported_at"]
    )
    expected = [
        [
            value.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            if isinstance(value, datetime)
            else value
            for value in row
        ]
        for row in written
    ]
    assert [list(row.values()) for row in found.to_pylist()] == expected


def test_no_rows_at_all_is_a_result_too(tmp_path: Path) -> None:
    staged = stage(tmp_path, "", "")
    assert staged.files == []
    assert staged.schema.names == ["at", "id", "n", "_nxp_run_id", "_nxp_exported_at"]
