"""A locked DuckDB reads one folder, and a statement cannot unlock it."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from connectors.locked_duckdb import BLIND, CLOSED, first_line, lock_down
from connectors.quoting import quoted_text


def reading(path: Path) -> str:
    return f"FROM {quoted_text(str(path))}"


def test_a_locked_connection_reads_its_folder_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in's", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.csv").write_text("n\n1\n")
    ours = pa.table({"n": [1]})
    with duckdb.connect(":memory:") as usual:
        assert usual.sql("FROM ours").fetchall() == [(ours.num_rows,)]
    with duckdb.connect(":memory:", config=CLOSED) as connection:
        lock_down(connection, f"{inside}/")
        assert connection.sql(reading(inside / "a.csv")).fetchall() == [(1,)]
        for statement in (
            reading(outside / "a.csv"),
            f"COPY (SELECT 1) TO {quoted_text(str(outside / 'b.csv'))}",
            "SET enable_external_access = true",
            f"SET allowed_directories = [{quoted_text(str(tmp_path))}]",
            "SET TimeZone = 'Europe/Berlin'",
            "INSTALL httpfs",
            "FROM ours",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


def test_a_blind_connection_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    with duckdb.connect(":memory:", config=BLIND) as connection:
        assert connection.get_table_names("FROM events") == {"events"}
        with pytest.raises(duckdb.PermissionException) as caught:
            connection.execute(reading(tmp_path / "a.csv"))
        assert "\n" not in first_line(caught.value)
