"""What a landing is: one place (the lake, a table) where the units of one dataset are published."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from connectors.lake import Entry, StagedFile


class Landing(Protocol):
    """Publishes the units of one tenant's dataset. All landings get the same staged Parquet.

    The lake comes last: it moves the staged files in, the others read them and leave them.
    """

    name: str

    def check(self) -> None:
        """Make sure that the dataset can land here, before anything is exported.

        Raises:
            PipelineError: what has landed there cannot go on so, or the place is out of reach.
        """

    def rows_before(self, starts_at: datetime, ends_at: datetime) -> int:
        """Count the rows that publishing [starts_at, ends_at) replaces.

        For a snapshot: the rows of the newest one.
        """

    def check_unit(self, entry: Entry) -> None:
        """Make sure that a unit fits what is here by now, before any place publishes it.

        Raises:
            DataRefusedError: what is there already cannot be replaced by this unit.
        """

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Make a unit's staged files what counts, whole or not at all.

        Raises:
            DataRefusedError: what is there already cannot be replaced by this unit.
            StorageError, UnavailableError: the place cannot be written; it is as it was.
        """

    def drop_before(self, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop all units that ended before an instant; returns their rows."""

    def close(self) -> None:
        """Let go of connections."""
