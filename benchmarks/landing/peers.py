"""What users would use instead: one function for each tool, as its own documents advise.

Usage: python -m benchmarks.landing.peers TOOL URL FOLDER. Each lands the compressed export at URL
as Parquet in FOLDER, with typed columns (lists stay text) and zstd level 1, in a process of its
own. Tools that cannot read the stream download it first, which counts towards their time.
"""

import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.landing.columns import COLUMNS, TIMES

LEVEL = 1
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
PANDAS_ROWS = 100_000


def duckdb(url: str, folder: Path) -> None:
    """COPY with all columns declared."""
    import duckdb as engine

    path = _download(url, folder)
    kinds = {"datetime": "TIMESTAMP", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
    columns = {name: kinds.get(kind, "VARCHAR") for name, kind in COLUMNS}
    engine.sql(f"""
        COPY (FROM read_csv('{path}', header = true, columns = {columns}))
        TO '{folder}/out.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL})
    """)


def pyarrow_streaming(url: str, folder: Path) -> None:
    """The streaming reader on the response, batch by batch into one file."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    with urllib.request.urlopen(url) as response:
        source = pa.PythonFile(response, "r")
        packed = {"zst": "zstd", "gz": "gzip"}.get(url.rpartition(".")[2])
        source = pa.CompressedInputStream(source, packed) if packed else source
        reader = pc.open_csv(source, **_arrow_options())
        with pq.ParquetWriter(
            folder / "out.parquet", reader.schema, compression="zstd", compression_level=LEVEL
        ) as writer:
            for batch in reader:
                writer.write_batch(batch)


def pyarrow_threaded(url: str, folder: Path) -> None:
    """The threaded reader, all in memory."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    table = pc.read_csv(_download(url, folder), **_arrow_options())
    pq.write_table(table, folder / "out.parquet", compression="zstd", compression_level=LEVEL)


def polars_naive(url: str, folder: Path) -> None:
    """Read all, convert the times, write all."""
    import polars as pl

    frame = pl.read_csv(_download(url, folder), schema_overrides=_polars_types(pl))
    frame = frame.with_columns(pl.col(TIMES).str.to_datetime(TIME_FORMAT))
    frame.write_parquet(folder / "out.parquet", compression="zstd", compression_level=LEVEL)


def polars_lazy(url: str, folder: Path) -> None:
    """Scan the file and sink it, streaming."""
    import polars as pl

    frame = pl.scan_csv(_download(url, folder), schema_overrides=_polars_types(pl))
    frame = frame.with_columns(pl.col(TIMES).str.to_datetime(TIME_FORMAT))
    frame.sink_parquet(folder / "out.parquet", compression="zstd", compression_level=LEVEL)


def pandas(url: str, folder: Path) -> None:
    """Read in chunks, append each to one file."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"int": "int64", "float": "float64", "bool": "bool"}
    types = {name: kinds.get(kind, "string[pyarrow]") for name, kind in COLUMNS}
    types = {name: kind for name, kind in types.items() if name not in TIMES}
    writer = None
    for chunk in pd.read_csv(
        _download(url, folder),
        dtype=types,
        parse_dates=list(TIMES),
        date_format=TIME_FORMAT,
        chunksize=PANDAS_ROWS,
    ):
        table = pa.Table.from_pandas(chunk, preserve_index=False)
        writer = writer or pq.ParquetWriter(
            folder / "out.parquet", table.schema, compression="zstd", compression_level=LEVEL
        )
        writer.write_table(table)
    if writer:
        writer.close()


def dlt(url: str, folder: Path) -> None:
    """Yield pyarrow's batches to a pipeline whose destination is the file system."""
    import os

    import pyarrow.csv as pc

    os.environ |= {
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "NORMALIZE__DATA_WRITER__COMPRESSION": "zstd",
    }
    import dlt as tool

    @tool.resource(name="events", write_disposition="replace")  # type: ignore[untyped-decorator]
    def events() -> Any:
        yield from pc.open_csv(_download(url, folder), **_arrow_options())

    destination = tool.destinations.filesystem(bucket_url=(folder / "out").as_uri())
    pipeline = tool.pipeline("bench", destination=destination, dataset_name="bench")
    pipeline.run(events(), loader_file_format="parquet")


TOOLS: dict[str, Callable[[str, Path], None]] = {
    "pyarrow streaming": pyarrow_streaming,
    "pyarrow threaded": pyarrow_threaded,
    "DuckDB": duckdb,
    "pandas": pandas,
    "Polars naive": polars_naive,
    "Polars lazy": polars_lazy,
    "dlt": dlt,
}


def _download(url: str, folder: Path) -> Path:
    path = folder / url.rpartition("/")[2]
    with urllib.request.urlopen(url) as response, path.open("wb") as file:
        shutil.copyfileobj(response, file, 1024 * 1024)
    return path


def _arrow_options() -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.csv as pc

    kinds = {"datetime": pa.timestamp("us"), "int": pa.int64(), "float": pa.float64()}
    kinds["bool"] = pa.bool_()
    types = {name: kinds.get(kind, pa.string()) for name, kind in COLUMNS}
    return {
        "parse_options": pc.ParseOptions(newlines_in_values=True),
        "convert_options": pc.ConvertOptions(column_types=types),
    }


def _polars_types(pl: Any) -> dict[str, Any]:
    kinds = {"int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean}
    return {name: kinds.get(kind, pl.String) for name, kind in COLUMNS}


if __name__ == "__main__":
    TOOLS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
