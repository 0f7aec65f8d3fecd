"""CSV and Parquet files as a source: one file, or all that match a pattern, as one table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from connectors.csv_syntax import CsvSyntaxError
from connectors.databases.names import ALIKE, twins
from connectors.errors import ConfigurationError, DataRefusedError
from connectors.sources.file_formats import Csv, Format, complaint
from connectors.sources.parquet import Parquet
from connectors.sources.places import open_place, safe_name
from connectors.sources.source import (
    Batches,
    Completeness,
    Pull,
    PullOutcome,
    Source,
)
from connectors.sources.specification import FileFormat, FileSpecification


class FileSource(Source):
    """Files with the same columns; a pull always reads all of them."""

    def __init__(self, name: str, specification: FileSpecification) -> None:
        self.name = name
        self._of = specification
        self._place = open_place(name, specification.path)
        self._format = _format(specification)

    def check(self) -> tuple[str, ...]:
        """Read the columns of every file."""
        return self._checked()[1]

    def pull(self, since: str | None = None) -> Pull:
        """Read all rows: files do not show what changed."""
        del since
        files, columns = self._checked()
        return Pull(columns, self._read(files, columns))

    def keys(self) -> Pull:
        """Read the key of every row."""
        if not self._of.key:
            raise ConfigurationError(f"source {self.name}: set a key, which scanning keys needs")
        files, _ = self._checked()
        return Pull(self._of.key, self._read(files, self._of.key))

    def close(self) -> None:
        """Do nothing: no file stays open between two pulls."""

    def _checked(self) -> tuple[list[str], tuple[str, ...]]:
        files = self._place.find()
        found = {path: self._columns(path) for path in files}
        columns = self._of.fields or tuple(found[files[0]])
        needed = dict.fromkeys((*columns, *self._of.key))
        problems = [
            f"{_short(path)} {problem}"
            for path, there in found.items()
            for problem in self._problems(there, tuple(needed))
        ]
        if problems:
            raise ConfigurationError(f"source {self.name}", problems=tuple(problems))
        return files, columns

    def _problems(self, there: list[str], needed: tuple[str, ...]) -> Iterator[str]:
        if missing := [name for name in needed if name not in there]:
            yield f"has no column {', '.join(missing)}"
        if twice := sorted({name for name in there if there.count(name) > 1}):
            yield f"has the column {', '.join(twice)} twice"
        yield from (f"has {pair}, {ALIKE}: list one of them under fields" for pair in twins(needed))
        # Without a list of fields all columns are wanted, so all files must have the same ones.
        if not self._of.fields and (more := [name for name in there if name not in needed]):
            yield f"has the column {', '.join(more)}, which the first file lacks: list the fields"

    def _columns(self, path: str) -> list[str]:
        with self._opened(path) as file:
            return self._format.columns(file)

    def _read(self, files: list[str], columns: Sequence[str]) -> Batches:
        for path in files:
            with self._opened(path) as file:
                for batch in self._format.batches(file, columns):
                    if batch.num_rows:
                        yield batch
        return PullOutcome(Completeness.COMPLETE)

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        file = self._place.open(path)
        try:
            yield file
        except DataRefusedError as error:
            raise DataRefusedError(f"source {self.name}: {_short(path)} {error.message}") from None
        except (
            CsvSyntaxError,
            pa.ArrowException,
            KeyError,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise DataRefusedError(
                f"source {self.name}: {_short(path)} {complaint(error)}"
            ) from None
        finally:
            file.close()


def _format(specification: FileSpecification) -> Format:
    if specification.format is FileFormat.PARQUET:
        return Parquet()
    return Csv(specification.delimiter, specification.encoding, quoted=specification.quoted)


def _short(path: str) -> str:
    """Return the name of a file without its folders."""
    return safe_name(path.rpartition("/")[2])
