"""Rewriting records of earlier releases in the fixed columns of today, each file in one step.

A kill leaves every file either as it was or rewritten. What is left is found by the next
maintenance: only the end of a complete pass is noted, in `_records.json`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import StorageError
from connectors.lake.lake import Lake
from connectors.lake.reading import open_parquet
from connectors.lake.record_columns import FOLDERS, OF_VERSION, RECORDS, VERSION, records_of
from connectors.lake.records import WRITTEN_AT, as_file, fitted, replace
from connectors.lake.rejects import FILE
from connectors.lake.stores import StoredFile
from connectors.lake.stores.local import STAGING, LocalStore

NOTE: Final = "_records.json"
_FOLDER: Final = re.compile(r"(dataset|sync|action)=([^/]+)/")


@dataclass(frozen=True, slots=True)
class _Part:
    """The files of one folder that this release has not looked at; when its newest was written."""

    folder: str
    files: tuple[StoredFile, ...]
    newest: datetime | None


def old_records(lake: Lake) -> list[StoredFile]:
    """Return the files of earlier releases that `upgrade_records` would rewrite."""
    return [file for part in _parts(lake) for file in part.files if _upgraded(lake, file)]


def upgrade_records(lake: Lake) -> list[StoredFile]:
    """Rewrite the records of earlier releases; return their files.

    Left as they are: damaged files, files that may not be read, and files with values in columns
    that this release does not know.

    Raises:
        StorageError, UnavailableError: the lake cannot be written; the next pass does the rest.
    """
    done = []
    noted: dict[str, str] = {}
    for part in _parts(lake):
        for file in part.files:
            if (content := _upgraded(lake, file)) is not None:
                replace(lake, file.path, *content)
                done.append(file)
        if part.newest is not None:
            noted[part.folder] = part.newest.isoformat()
    if noted and noted != _noted(lake):
        text = json.dumps({"version": VERSION, "looked_at": noted}, indent=1)
        lake.store.write(NOTE, text.encode())
    return done


def first_written(lake: Lake, path: str) -> datetime | None:
    """Return when the rows of a rewritten file were written; None if it was not rewritten."""
    try:
        with open_parquet(lake, path) as file:
            at = (file.schema_arrow.metadata or {}).get(WRITTEN_AT)
        return datetime.fromisoformat(at.decode()) if at else None
    except (OSError, ValueError, pa.ArrowException):
        return None


def unfinished_writes(lake: Lake, before: datetime) -> list[StoredFile]:
    """Return what killed writes of records left in a lake in a folder, older than an instant."""
    if not isinstance(lake.store, LocalStore):
        return []
    # Releases without `_staging/….new` made them next to the record.
    found = [file for file in lake.store.files(STAGING) if file.path.count("/") == 1]
    found += [
        file
        for folder in FOLDERS
        for file in lake.store.files(folder)
        if file.path.rpartition("/")[2].startswith(".")
    ]
    return [file for file in found if file.path.endswith(".new") and file.modified_at < before]


def _parts(lake: Lake) -> Iterator[_Part]:
    noted = _noted(lake)
    for folder in FOLDERS:
        listed = lake.store.files(folder)
        since = noted.get(folder)
        found = tuple(
            file
            for file in listed
            if file.path.endswith(".parquet")
            and (since is None or file.modified_at >= datetime.fromisoformat(since))
        )
        yield _Part(folder, found, max((file.modified_at for file in listed), default=None))


def _noted(lake: Lake) -> dict[str, str]:
    """Return, by folder, up to when an earlier pass has looked at all files; {} if none has.

    A note that is damaged, or of another version of the columns, counts as none.
    """
    found = lake.store.read(NOTE)
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        note = json.loads(found[0]) if found else {}
        if note["version"] == VERSION:
            return {name: str(datetime.fromisoformat(at)) for name, at in note["looked_at"].items()}
    return {}


def _upgraded(lake: Lake, file: StoredFile) -> tuple[bytes, str] | None:
    """Return a file's new content and the tag of the old one; None if it stays as it is."""
    records = records_of(file.path)
    if records is None:
        return None
    try:
        found = lake.store.read(file.path)
        if found is None:
            return None
        with pq.ParquetFile(pa.BufferReader(found[0])) as old:
            metadata = old.schema_arrow.metadata or {}
            if OF_VERSION in metadata and old.schema_arrow.names == list(RECORDS[records]):
                return None
            table = old.read()
        if _unknown(table, records):
            return None
        rows = fitted(table, records, _from_path(file.path))
        # Retention counts from then, not from the day on which the file is rewritten.
        at = metadata.get(WRITTEN_AT, file.modified_at.isoformat().encode())
        written = {WRITTEN_AT: at}
        rows = rows.replace_schema_metadata({**rows.schema.metadata, **written})
        return as_file(rows), found[1]
    except (StorageError, OSError, pa.ArrowException):
        return None


def _unknown(table: pa.Table, records: str) -> bool:
    """Return whether the table has values that the fixed columns have no place for."""
    others = set(table.column_names) - RECORDS[records].keys()
    return any(table[name].null_count < table.num_rows for name in others)


def _from_path(path: str) -> dict[str, str]:
    """Return the columns that earlier releases wrote into a file's path only."""
    file = FILE.fullmatch(path.rpartition("/")[2])
    return {**dict(_FOLDER.findall(path)), **(file.groupdict() if file else {})}
