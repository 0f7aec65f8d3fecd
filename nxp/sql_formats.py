"""The formats of a query's result: on stdout, or in a file that appears whole."""

import csv
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from connectors.errors import StorageError, UsageError
from connectors.lake import Lake
from connectors.lake.query import Rows, read_lake
from connectors.lake.sql_room import Room
from connectors.lake.sql_views import Offered
from connectors.printable import printable, to_json
from nxp.output import aligned, plain, print_json
from nxp.sql_table import cell, print_result

Read = TypeVar("Read")
AT_ONCE: Final = 10_000


class OutputFormat(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    MARKDOWN = "markdown"


SUFFIXES: Final = {
    ".txt": OutputFormat.TABLE,
    ".csv": OutputFormat.CSV,
    ".json": OutputFormat.JSON,
    ".ndjson": OutputFormat.NDJSON,
    ".jsonl": OutputFormat.NDJSON,
    ".parquet": OutputFormat.PARQUET,
    ".md": OutputFormat.MARKDOWN,
}


@dataclass(slots=True)
class SqlResult:
    """Column names and rows in memory; `has_more`: a limit has left rows out."""

    names: list[str]
    rows: list[tuple[Any, ...]]
    has_more: bool


@dataclass(frozen=True, slots=True)
class StatementSource:
    """What statements are run against: a lake, and what `offer` makes for each of them."""

    lake: Lake
    room: Room
    offer: Callable[[], Offered]

    def read(self, statement: str, read: Callable[[Rows], Read]) -> Read:
        """Run a statement and return what `read` makes of its rows: see `read_lake`."""
        return read_lake(self.lake, statement, read, self.room, self.offer())


def format_of(asked: OutputFormat | None, out: Path | None) -> OutputFormat:
    """Return the format that is asked for, by the file's name if by nothing else.

    Raises:
        UsageError: the name does not say it.
    """
    if asked or out is None:
        return asked or OutputFormat.TABLE
    if found := SUFFIXES.get(out.suffix.lower()):
        return found
    raise UsageError(f"--out {out}: its name does not say the format: add --format")


def fetched(rows: Rows, limit: int | None) -> SqlResult:
    """Return all rows, or the first ones."""
    if limit is None:
        return SqlResult(rows.names, rows.all(), has_more=False)
    found: list[tuple[Any, ...]] = []
    # One more, to know whether there are more.
    while len(found) <= limit and (batch := rows.next(limit + 1 - len(found))):
        found += batch
    return SqlResult(rows.names, found[:limit], has_more=len(found) > limit)


def show(result: SqlResult, how: OutputFormat) -> None:
    """Print a result on stdout."""
    if how is OutputFormat.TABLE:
        print_result(result.names, result.rows)
    elif how is OutputFormat.JSON:
        print_json([dict(zip(result.names, row, strict=True)) for row in result.rows])
    else:
        # A program gets every character as it is.
        shown = printable if sys.stdout.isatty() else str
        for line in LINES[how](result.names, result.rows):
            print(shown(line))


def write(rows: Rows, how: OutputFormat, out: Path, limit: int | None) -> tuple[int, bool]:
    """Write the rows into a file, which is replaced in one step; return how many, and if all.

    Raises:
        StorageError: it cannot be written; what stood there before is still there.
    """
    fresh = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        if how is OutputFormat.PARQUET:
            written, has_more = _write_parquet(rows, fresh, limit)
        elif how in {OutputFormat.TABLE, OutputFormat.JSON}:
            written, has_more = _write_whole(fetched(rows, limit), how, fresh)
        else:
            counted = _Counted(rows, limit)
            with fresh.open("w", encoding="utf-8", newline="") as file:
                file.writelines(f"{line}\n" for line in LINES[how](rows.names, counted.each()))
            written, has_more = counted.count, counted.has_more
        fresh.replace(out)
    except OSError as error:
        why = error.strerror or error
        raise StorageError(f"--out {out}: cannot be written: {why}; nothing was replaced") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return written, has_more


class _Counted:
    """The rows up to a limit, counted while they are read."""

    def __init__(self, rows: Rows, limit: int | None) -> None:
        self.count = 0
        self.has_more = False
        self._rows, self._limit = rows, limit

    def each(self) -> Iterator[tuple[Any, ...]]:
        while batch := self._rows.next(AT_ONCE):
            for row in batch:
                if self.count == self._limit:
                    self.has_more = True
                    return
                self.count += 1
                yield row


def _write_whole(result: SqlResult, how: OutputFormat, path: Path) -> tuple[int, bool]:
    if how is OutputFormat.JSON:
        records = [dict(zip(result.names, row, strict=True)) for row in result.rows]
        content = f"{to_json(plain(records), 'utf-8', allow_nan=False, indent=1)}\n"
    else:
        cells = [[cell(value) for value in row] for row in result.rows]
        content = "".join(f"{line}\n" for line in aligned(result.names, cells))
    path.write_text(content, encoding="utf-8")
    return len(result.rows), result.has_more


def _write_parquet(rows: Rows, path: Path, limit: int | None) -> tuple[int, bool]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - numpy and pyarrow, only for this format

    reader = rows.arrow(AT_ONCE)
    # Two columns of one name can be read by few programs.
    schema = reader.schema
    for place, name in enumerate(rows.names):
        schema = schema.set(place, schema.field(place).with_name(name))
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            left = batch.num_rows if limit is None else min(batch.num_rows, limit - count)
            writer.write_batch(batch.slice(0, left).rename_columns(rows.names))
            count += left
            if left < batch.num_rows:
                return count, True
    return count, False


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line, lineterminator="")
    writer.writerow(names)
    yield line.text
    for row in rows:
        writer.writerow([_csv_value(value) for value in row])
        yield line.text


class _Line:
    """A file that keeps what was written last."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def _csv_value(value: Any) -> Any:
    match value:
        case bool():
            return str(value).lower()
        case None | str() | int():
            return value
        case datetime():
            return value.isoformat()
        case list() | dict() | tuple():
            return to_json(plain(value), "utf-8")
        case _:
            return plain(value) if isinstance(value, bytes) else value


def _ndjson(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for row in rows:
        record = {name: plain(value) for name, value in zip(names, row, strict=True)}
        yield to_json(record, "utf-8", allow_nan=False)


def _markdown(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield _markdown_line(names)
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield _markdown_line(row)


def _markdown_line(values: Iterable[Any]) -> str:
    cells = (cell(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)
    return f"| {' | '.join(cells)} |"


LINES: Final[
    dict[OutputFormat, Callable[[Sequence[str], Iterable[Sequence[Any]]], Iterator[str]]]
] = {
    OutputFormat.CSV: _csv,
    OutputFormat.NDJSON: _ndjson,
    OutputFormat.MARKDOWN: _markdown,
}
