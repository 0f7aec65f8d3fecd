"""Staging Parquet: row groups, rows held back, and how columns are written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.errors import StorageError
from connectors.lake.stage import GROUP_ROWS, Budget, Stage, keep_rows

ROWS = 25_000


def table(start: int = 0, rows: int = ROWS) -> pa.Table:
    numbers = range(start, start + rows)
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "name": [f"device {number % 100}" for number in numbers],
            "tags": pa.array([["a", "b"]] * rows, pa.list_(pa.string())),
        }
    )


def group_rows(path: Path) -> list[int]:
    found = pq.read_metadata(path)
    return [found.row_group(number).num_rows for number in range(found.num_row_groups)]


def test_batches_become_row_groups_in_order(tmp_path: Path) -> None:
    with Stage(tmp_path, table().schema) as stage:
        for start in range(0, 6 * ROWS, ROWS):
            stage.write("date=2026-11-19", table(start))
        files = stage.finish()
    assert group_rows(files[0].path) == [3 * ROWS, 3 * ROWS]
    assert 2 * ROWS < GROUP_ROWS <= 3 * ROWS
    assert pq.read_table(files[0].path)["number"].to_pylist() == list(range(6 * ROWS))
    assert (files[0].rows, files[0].bytes) == (6 * ROWS, files[0].path.stat().st_size)


def test_a_stage_beyond_the_budget_writes_early_and_gives_back_what_it_held(tmp_path: Path) -> None:
    size = table().nbytes
    budget = Budget(2 * size)
    with Stage(tmp_path, table().schema, budget) as stage:
        for start in range(0, 6 * ROWS, ROWS):
            stage.write(f"date=2026-11-{19 + start // ROWS % 2}", table(start))
        files = stage.finish()
    assert [group_rows(file.path) for file in files] == [[2 * ROWS, ROWS]] * 2
    assert budget.take(2 * size)
    assert not budget.take(1)


def test_a_stage_that_is_given_up_holds_nothing(tmp_path: Path) -> None:
    budget = Budget(table().nbytes)
    with Stage(tmp_path, table().schema, budget) as stage:
        stage.write("a", table())
    assert budget.take(table().nbytes)


def test_few_values_make_a_dictionary_and_many_numbers_are_written_as_steps(tmp_path: Path) -> None:
    with Stage(tmp_path, table().schema) as stage:
        stage.write("a", table())
        path = stage.finish()[0].path
    columns = {
        column.path_in_schema: set(column.encodings)
        for column in (pq.read_metadata(path).row_group(0).column(place) for place in range(3))
    }
    assert "DELTA_BINARY_PACKED" in columns["number"]
    assert "RLE_DICTIONARY" in columns["name"] & columns["tags.list.element"]
    assert "RLE_DICTIONARY" not in columns["number"]
    assert pq.read_metadata(path).row_group(0).column(0).has_column_index


def test_a_file_is_rewritten_with_the_rows_that_are_kept(tmp_path: Path) -> None:
    with Stage(tmp_path, table().schema) as stage:
        for start in range(0, 4 * ROWS, ROWS):
            stage.write("a", table(start))
        file = stage.finish()[0]
    keep = pa.array([number % 3 > 0 for number in range(4 * ROWS)])
    kept = keep_rows(file, keep)
    numbers = pq.read_table(kept.path)["number"].to_pylist()
    assert numbers == [number for number in range(4 * ROWS) if number % 3]
    assert kept.rows == len(numbers)


def test_a_folder_that_vanishes_is_told_though_another_thread_writes(tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    with Stage(folder, table().schema) as stage:
        folder.rmdir()
        for start in range(0, 3 * ROWS, ROWS):
            stage.write("a", table(start))
        with pytest.raises(StorageError, match="cannot write"):
            stage.finish()
