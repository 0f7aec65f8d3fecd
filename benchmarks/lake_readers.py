"""Which reader opens a dataset's folder how: each is tried on a lake of both layouts.

    python -m benchmarks.lake_readers [FOLDER]

Needs nothing of the project but this file. Readers that are not installed are left out, so for all
of them make an environment first:

    python -m venv /tmp/readers
    /tmp/readers/bin/pip install polars pyarrow pandas duckdb datafusion chdb pyspark
    /tmp/readers/bin/python benchmarks/lake_readers.py

The result is the table in docs/lake.md.
"""

import importlib
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

SLOTS: Final = 60
EVERY: Final = timedelta(hours=7, minutes=13)
FORMS: Final = {1: "%Y%m%dT%H%M%SZ", 2: "%Y-%m-%dT%H-%M-%SZ"}
Found = tuple[int, int]


def write(folder: Path, layout: int) -> Path:
    """Write snapshots of many days and hours; layout 1 has its manifest among them."""
    at = datetime(2026, 10, 31, tzinfo=UTC)
    for number in range(SLOTS):
        target = folder / f"snapshot={at:{FORMS[layout]}}" / "data.parquet"
        target.parent.mkdir(parents=True)
        pq.write_table(pa.table({"n": [number]}), target)
        at += EVERY
    if layout == 1:
        (folder / "_manifest.json").write_text("{}")
    return folder


def polars(folder: Path) -> Found:
    """Scan the folder; types of partitions are guessed."""
    import polars as pl

    frame = pl.scan_parquet(folder, hive_partitioning=True).collect()
    return len(frame), frame["snapshot"].n_unique()


def pyarrow(folder: Path) -> Found:
    """Open the folder as a dataset."""
    import pyarrow.dataset as ds

    table = ds.dataset(folder, partitioning="hive").to_table()
    return table.num_rows, len(table["snapshot"].unique())


def pandas(folder: Path) -> Found:
    """Read the folder."""
    frame: Any = importlib.import_module("pandas").read_parquet(folder)
    return len(frame), frame["snapshot"].nunique()


def duckdb(folder: Path) -> Found:
    """Read a glob; types of partitions are guessed."""
    import duckdb as db

    source = f"read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
    sql = f"SELECT count(*), count(DISTINCT snapshot) FROM {source}"  # noqa: S608
    found = db.connect().execute(sql)
    return tuple(found.fetchall()[0])


def datafusion(folder: Path) -> Found:
    """Create an external table over the folder."""
    context: Any = importlib.import_module("datafusion").SessionContext()
    context.sql(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{folder}/'").collect()
    row = context.sql("SELECT count(*) AS c, count(DISTINCT snapshot) AS d FROM t").to_pydict()
    return row["c"][0], row["d"][0]


def clickhouse(folder: Path) -> Found:
    """Read a glob, by chdb."""
    sql = f"SELECT count(), uniqExact(snapshot) FROM file('{folder}/*/*.parquet', Parquet)"  # noqa: S608
    text = str(importlib.import_module("chdb").query(sql))
    rows, slots = text.strip().split(",")
    return int(rows), int(slots)


def spark(folder: Path) -> Found:
    """Read the folder; types of partitions are guessed."""
    builder: Any = importlib.import_module("pyspark.sql").SparkSession.builder
    session = builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    frame = session.read.parquet(str(folder))
    return frame.count(), frame.select("snapshot").distinct().count()


READERS: Final[dict[str, tuple[str, Callable[[Path], Found]]]] = {
    "polars": ("polars", polars),
    "pyarrow": ("pyarrow", pyarrow),
    "pandas": ("pandas", pandas),
    "duckdb": ("duckdb", duckdb),
    "datafusion": ("datafusion", datafusion),
    "clickhouse": ("chdb", clickhouse),
    "spark": ("pyspark", spark),
}


def tried(read: Callable[[Path], Found], folder: Path) -> str:
    """Return what a reader made of a folder."""
    try:
        found = read(folder)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is its answer
        return f"fails: {type(error).__name__}"
    return "exact" if found == (SLOTS, SLOTS) else f"wrong: {found[0]} rows, {found[1]} slots"


def main() -> None:
    """Try all readers that are installed, and print a table."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else name)
        folders = [write(root / f"layout-{layout}", layout) for layout in FORMS]
        print("| reader | layout 1 | layout 2 |\n|---|---|---|")
        for reader, (module, read) in READERS.items():
            try:
                version = importlib.import_module(module).__version__
            except ImportError:
                continue
            said = " | ".join(tried(read, folder) for folder in folders)
            print(f"| {reader} {version} | {said} |", flush=True)


if __name__ == "__main__":
    main()
