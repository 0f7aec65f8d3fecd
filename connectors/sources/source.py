"""What every source of a sync does; each kind of source implements `Source`.

A source is checked, then pulled: in full, since a cursor, or only its keys. The outcome of a pull
says whether a row that did not come is really gone, and where the next pull starts.
"""

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

# Rows of one batch: enough for Arrow to pay off, and a few megabytes at most for usual rows.
BATCH_ROWS = 5_000


class Completeness(StrEnum):
    """What the absence of a row means."""

    # The row is not in the source.
    COMPLETE = "complete"
    # The row may be hidden by the source's access rules.
    VISIBLE = "visible"
    # Nothing: only what changed was asked for.
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class PullOutcome:
    """How complete a pull was, and where the next one starts.

    Store `cursor` only after the rows have taken effect; None: the next pull is a full one.
    `unusable` says why the given cursor could not be used, so that all rows were read.
    """

    completeness: Completeness
    cursor: str | None = None
    unusable: str | None = None


Batches: TypeAlias = "Generator[pa.RecordBatch, None, PullOutcome]"


class Pull:
    """One pass over a source: batches of text columns, read on demand and only once."""

    def __init__(self, columns: tuple[str, ...], batches: Batches) -> None:
        # Imported here: reading a catalogue needs this module, but not Arrow.
        import pyarrow as pa  # noqa: PLC0415

        self.schema = pa.schema([(column, pa.string()) for column in columns])
        self.rows = 0
        self._batches: Batches | None = batches
        self._outcome: PullOutcome | None = None

    def __iter__(self) -> "Iterator[pa.RecordBatch]":
        if self._batches is None:
            raise RuntimeError("a pull can be read once: pull again")
        batches, self._batches = self._batches, None
        self._outcome = yield from self._counted(batches)

    @property
    def outcome(self) -> PullOutcome:
        """The outcome, known after the last batch; so a pull that broke off has none."""
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
            outcome: PullOutcome = end.value
            return outcome
        finally:
            # A reader that stops half-way still releases cursors, transactions and files.
            batches.close()


class Source(Protocol):
    """One open source; `name` is its name in the sync, and errors begin with it."""

    name: str

    @abstractmethod
    def check(self) -> tuple[str, ...]:
        """Reach the source, check that it has all requested fields, and return their names.

        Raises:
            ConfigurationError: fields are missing; the error names all of them.
            AccessError: the source refuses the credential, or lacks a right.
            UnavailableError: it cannot be reached, or does not exist (yet).
        """

    @abstractmethod
    def pull(self, since: str | None = None) -> Pull:
        """Read all rows, or those changed since a cursor where the source can select them.

        A cursor that cannot be used is ignored, and the outcome says why. Checks the source first.
        """

    @abstractmethod
    def keys(self) -> Pull:
        """Read the key of every row; fails unless all rows were visible.

        Raises:
            ConfigurationError: the specification has no key.
            DataRefusedError: (while reading) some rows are hidden.
        """

    @abstractmethod
    def close(self) -> None:
        """Close connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
