"""What every source of a sync is and does; a kind of source implements these two classes.

A source is checked, then pulled: in full, since a cursor, or its keys alone. What has come of a
pull, and whether a row that did not come is really gone, its outcome says.
"""

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Annotated, Protocol, Self

import pyarrow as pa
from pydantic import Field, model_validator

from connectors.catalogue import Specification
from connectors.sources.connection import Connection

# Rows of one batch: large enough for Arrow to pay off, some megabytes at most of usual rows.
BATCH_ROWS = 5_000

FieldName = Annotated[str, Field(min_length=1)]


class Completeness(StrEnum):
    """What the absence of a row means."""

    # The row is not in the source.
    COMPLETE = "complete"
    # The row may be hidden by the source's access rules.
    VISIBLE = "visible"
    # Nothing: only what changed was asked for.
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pull has come to.

    Keep `cursor` once the rows' effect is done, never earlier; None: the next pull is a full one.
    """

    completeness: Completeness
    cursor: str | None = None


Batches = Generator[pa.RecordBatch, None, Outcome]


class Pull:
    """One pass over a source: batches of text columns, read as they are asked for, once."""

    def __init__(self, columns: tuple[str, ...], batches: Batches) -> None:
        self.schema = pa.schema([(column, pa.string()) for column in columns])
        self.rows = 0
        self._batches: Batches | None = batches
        self._outcome: Outcome | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._batches is None:
            raise RuntimeError("a pull can be read once: pull again")
        batches, self._batches = self._batches, None
        self._outcome = yield from self._counted(batches)

    @property
    def outcome(self) -> Outcome:
        """What has come of it; known when the last batch was taken, so a broken pull has none."""
        if self._outcome is None:
            raise RuntimeError("the outcome of a pull is known after its last batch")
        return self._outcome

    def _counted(self, batches: Batches) -> Batches:
        try:
            while True:
                batch = next(batches)
                self.rows += batch.num_rows
                yield batch
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            # Whoever stops in the middle lets go of cursors, transactions and files.
            batches.close()


class Source(Protocol):
    """One source, open; `name` is what the sync calls it, and what errors begin with."""

    name: str

    @abstractmethod
    def check(self) -> tuple[str, ...]:
        """Reach the source, make sure that all requested fields are there, and name them.

        Raises:
            ConfigurationError: fields are missing; names all of them.
            AccessError: the source refuses the credential, or lacks a right.
            UnavailableError: it cannot be reached, or is not there (yet).
        """

    @abstractmethod
    def pull(self, since: str | None = None) -> Pull:
        """Read all rows, or those that changed since a cursor if the source can tell.

        A cursor of another specification counts as none. Checks the source first.
        """

    @abstractmethod
    def keys(self) -> Pull:
        """Read the key of every row; ends in an error unless it has seen all of them.

        Raises:
            ConfigurationError: the specification has no key.
            DataRefusedError: (while reading) some rows are hidden.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SourceSpecification(Specification):
    """What the YAML of every kind of source has.

    Attributes:
        fields: the columns to pull; without any, all that the source has.
        key: which of them identify a row.
    """

    fields: tuple[FieldName, ...] = ()
    key: tuple[FieldName, ...] = ()

    @model_validator(mode="after")
    def _plain_fields(self) -> Self:
        for name, listed in (("fields", self.fields), ("key", self.key)):
            if len(set(listed)) < len(listed):
                raise ValueError(f"{name}: a name stands twice")
        if self.fields and (strange := set(self.key) - set(self.fields)):
            raise ValueError(f"key: not among the fields: {', '.join(sorted(strange))}")
        return self

    @property
    def connection_name(self) -> str | None:
        """The connection to read from the environment; None for a kind that needs none."""
        return None

    def lacking(self, connection: Connection) -> list[str]:  # noqa: ARG002 - for kinds with one
        """Say what the kind needs of a connection and does not find, by variable."""
        return []

    @abstractmethod
    def open(self, name: str, connection: Connection | None) -> Source:
        """Open the source; sends nothing yet."""
