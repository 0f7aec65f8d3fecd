"""CSV and Parquet files as a source: one file, or all that a pattern finds, as one table."""

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Literal, Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from connectors.errors import ConfigurationError, DataRefusedError
from connectors.settings.installation import URL
from connectors.sources.connection import Connection
from connectors.sources.file_formats import Csv, Format, Parquet, complaint
from connectors.sources.places import open_place
from connectors.sources.source import (
    Batches,
    Completeness,
    Outcome,
    Pull,
    Source,
    SourceSpecification,
)

REMOTE = ("s3://", "az://")


class FileFormat(StrEnum):
    """A format of files."""

    CSV = "csv"
    PARQUET = "parquet"


class FileSpecification(SourceSpecification):
    """Files that are delivered somewhere.

    Attributes:
        path: a file or a pattern (`*`, `**`, `?`), local or `s3://bucket/…`, `az://container/…`.
        format: without it, by the name's ending.
        delimiter: of CSV.
        encoding: of CSV, as Python names it.
        quoted: whether CSV has values in double quotes.
    """

    kind: Literal["file"]
    path: str = Field(min_length=1)
    format: FileFormat | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    quoted: bool = True

    @field_validator("path")
    @classmethod
    def _known_place(cls, path: str) -> str:
        if URL.match(path) and not path.startswith(REMOTE):
            raise ValueError("must be a path, s3://bucket/… or az://container/…")
        if path.startswith(REMOTE) and {"@", "#"} & set(path):
            raise ValueError("must hold no credential: give it by the AWS_* or AZURE_* variables")
        return path

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError:
            raise ValueError("must be an encoding such as utf-8, cp1252 or utf-16") from None

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.format is None:
            ending = PurePosixPath(self.path).suffix.lower().removeprefix(".")
            if ending not in list(FileFormat):
                raise ValueError("format: csv or parquet, which the path's ending does not say")
            object.__setattr__(self, "format", FileFormat(ending))
        return self

    def open(self, name: str, connection: Connection | None) -> "FileSource":
        """Open the files."""
        del connection
        return FileSource(name, self)


class FileSource(Source):
    """Files of the same columns; what a pull covers is always all of them."""

    def __init__(self, name: str, specification: FileSpecification) -> None:
        self.name = name
        self._of = specification
        self._place = open_place(name, specification.path)
        self._format = _format(specification)

    def check(self) -> tuple[str, ...]:
        """Read the columns of every file."""
        return self._checked()[1]

    def pull(self, since: str | None = None) -> Pull:
        """Read all rows: files do not tell what changed."""
        del since
        files, columns = self._checked()
        return Pull(columns, self._read(files, columns))

    def keys(self) -> Pull:
        """Read the key of every row."""
        if not self._of.key:
            raise ConfigurationError(f"source {self.name}: needs a key to scan keys")
        files, _ = self._checked()
        return Pull(self._of.key, self._read(files, self._of.key))

    def close(self) -> None:
        """Nothing stays open between two pulls."""

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
        # Without a list of fields all columns are wanted, so all files have to agree on them.
        if not self._of.fields and (more := [name for name in there if name not in needed]):
            yield f"has the column {', '.join(more)}, which the first file has not: list the fields"

    def _columns(self, path: str) -> list[str]:
        with self._opened(path) as file:
            return self._format.columns(file)

    def _read(self, files: list[str], columns: Sequence[str]) -> Batches:
        for path in files:
            with self._opened(path) as file:
                for batch in self._format.batches(file, columns):
                    if batch.num_rows:
                        yield batch
        return Outcome(Completeness.COMPLETE)

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        file = self._place.open(path)
        try:
            yield file
        except DataRefusedError as error:
            raise DataRefusedError(f"source {self.name}: {_short(path)} {error.message}") from None
        except (pa.ArrowException, KeyError, ValueError, OverflowError, OSError) as error:
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
    """Name a file without its folders."""
    return path.rpartition("/")[2]
