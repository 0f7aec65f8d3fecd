"""Reading landed rows back, batch by batch, each with its partition."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from connectors.errors import StorageError
from connectors.lake import Entry, Lake
from connectors.lake.reading import open_parquet

BATCH_ROWS = 65_536


def landed_batches(lake: Lake, dataset: str, entry: Entry) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of a published unit as they were written: partition and frame.

    Raises:
        StorageError: a file that the manifest names is missing or damaged.
    """
    folder = lake.data_folder(dataset)
    for file in entry.files:
        path = f"{folder}/{file.path}"
        try:
            with open_parquet(lake, path) as opened:
                if opened.metadata.num_rows != file.rows:
                    # A publish was killed between its file and the manifest.
                    raise StorageError(
                        f"{lake.location(path)} holds {opened.metadata.num_rows} rows and the "
                        f"manifest says {file.rows}: land its unit again"
                    )
                for batch in opened.iter_batches(BATCH_ROWS):
                    yield file.path.partition("/")[0], pl.DataFrame(pa.Table.from_batches([batch]))
        except (OSError, pa.ArrowException) as error:
            raise StorageError(
                f"{lake.location(path)} cannot be read, land its unit again: {type(error).__name__}"
            ) from None
