"""Code that opens a dataset in each reader, to be copied."""

from typing import Final

from connectors.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Manifest

_ROWS: Final = 10


def snippets_of(lake: Lake, dataset: str, manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Return the name of each reader, and its code; a snapshot is read as of its latest."""
    folder = lake.location(manifest.folder)
    if manifest.mode == SNAPSHOT and manifest.entries and manifest.entries[-1].files:
        folder += f"/{manifest.entries[-1].files[0].path.rpartition('/')[0]}"
        files, spark = f"{folder}/*.parquet", folder
    else:
        files, spark = f"{folder}/*/*.parquet", folder
    ours = "from nxp.lake import open_lake\n\n"
    return (
        ("nxp sql", f'nxp sql "FROM {dataset} LIMIT {_ROWS}"'),
        ("Polars", f'{ours}{dataset} = open_lake().polars("{dataset}").collect()'),
        ("pandas", f'{ours}{dataset} = open_lake().arrow("{dataset}").to_table().to_pandas()'),
        ("DuckDB", f'{ours}open_lake().duckdb().sql("FROM {dataset} LIMIT {_ROWS}").show()'),
        ("pyarrow", f'{ours}{dataset} = open_lake().arrow("{dataset}").to_table()'),
        ("Spark", f"{dataset} = spark.read.parquet({spark!r})"),
        ("SQL on files", f"FROM read_parquet('{_quoted(files)}') LIMIT {_ROWS}"),
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")
