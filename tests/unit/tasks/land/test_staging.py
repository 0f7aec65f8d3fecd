"""Staging the results of one unit that came in parts."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import polars as pl
import pytest

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


def test_parts_of_time_keep_rows_of_one_key(tmp_path: Path) -> None:
    staged = stage(
        tmp_path, "at,id,n\n2026-11-19 01:00:00,a,1\n", "at,id,n\n2026-11-19 13:00:00,a,2\n"
    )
    assert len(rows(staged)) == staged.counts.landed == 2


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


def test_no_rows_at_all_is_a_result_too(tmp_path: Path) -> None:
    staged = stage(tmp_path, "", "")
    assert staged.files == []
    assert staged.schema.names == ["at", "id", "n", "_nxp_run_id", "_nxp_exported_at"]
