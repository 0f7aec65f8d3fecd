"""The lake as a landing of one dataset."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from connectors.catalogue import DatasetSpecification
from connectors.lake.lake import Lake
from connectors.lake.manifest import Entry
from connectors.lake.stage import StagedFile


class LakeLanding:
    """Publishes into the lake; see connectors.landing.Landing. It moves the staged files."""

    name = "parquet"

    def __init__(self, lake: Lake, specification: DatasetSpecification) -> None:
        self._lake = lake
        self._specification = specification

    def check(self) -> None:
        """Make sure that the dataset has landed in the same mode before."""
        self._lake.check_mode(self._specification.dataset, self._specification.mode)

    def rows_before(self, starts_at: datetime, ends_at: datetime) -> int:
        """Count the rows that the manifest has for a stretch, or for the newest snapshot."""
        manifest = self._lake.manifest(self._specification.dataset)
        if manifest is None or not manifest.entries:
            return 0
        if self._specification.window is None:
            return manifest.entries[-1].rows
        return sum(
            entry.rows
            for entry in manifest.entries
            if starts_at <= entry.starts_at and entry.ends_at <= ends_at
        )

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Move the staged files in and write the manifest."""
        self._lake.publish(
            self._specification.dataset, self._specification.mode, entry, staged, schema
        )

    def drop_before(self, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop all units that ended before an instant."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""
