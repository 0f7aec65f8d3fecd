"""Reading rejects back: which rows, why, and their text from the protected file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from connectors.errors import StorageError, UsageError
from connectors.lake import Lake
from connectors.lake.layout import checked_name
from connectors.lake.naming import REJECTS, REJECTS_RAW
from connectors.lake.reading import open_parquet

RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FILE = re.compile(rf"(?P<unit>[0-9TZ-]+)-(?P<run_id>{RUN_ID.pattern})\.parquet")


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row: its number in the result (None if unknown) and all its reasons."""

    record: int | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectFile:
    """The rejects of one unit of one run."""

    lake: Lake
    path: str
    dataset: str
    unit: str
    run_id: str

    def rows(self) -> list[Reject]:
        """Return numbers and reasons, in the order of the result."""
        table = _read(self.lake, self.path, ["record", "reasons"])
        return [Reject(row["record"], tuple(row["reasons"])) for row in table.to_pylist()]

    def raw(self) -> list[str]:
        """Return the rows' text, in the same order: personal data.

        Raises:
            StorageError: the protected file is missing or may not be read.
        """
        path = self.path.replace(REJECTS, REJECTS_RAW, 1)
        return [str(text) for text in _read(self.lake, path, ["raw"])["raw"].to_pylist()]


def reject_files(lake: Lake, dataset: str, run_id: str | None = None) -> list[RejectFile]:
    """Return the rejects of a dataset, from all runs or from one, ordered by unit.

    Raises:
        UsageError: `run_id` is not a run id, or `dataset` not a name.
    """
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        raise UsageError(f"run: {run_id!r} is not a run id (nxp runs lists them)")
    return sorted(_found(lake, dataset, run_id), key=lambda file: (file.unit, file.path))


def _found(lake: Lake, dataset: str, run_id: str | None) -> Iterator[RejectFile]:
    for file in lake.store.files(f"{REJECTS}/dataset={checked_name(dataset)}"):
        match = FILE.fullmatch(file.path.rpartition("/")[2])
        if match and run_id in {None, match["run_id"]}:
            yield RejectFile(lake, file.path, dataset, match["unit"], match["run_id"])


def _read(lake: Lake, path: str, columns: list[str]) -> pa.Table:
    try:
        with open_parquet(lake, path) as file:
            return file.read(columns)
    except PermissionError:
        where = lake.location(path)
        raise StorageError(
            f"{where} may not be read: the text of rejected rows is for its owner only"
        ) from None
    except (OSError, pa.ArrowException) as error:
        where = lake.location(path)
        raise StorageError(f"{where} cannot be read: {type(error).__name__}") from None
