"""The lake as one of the places where a dataset lands."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from connectors.catalogue import PARQUET, DatasetSpecification, Mode, private_columns
from connectors.lake.lake import Lake
from connectors.lake.manifest import Entry
from connectors.lake.profiles import is_newest, keep_profile, take_profile
from connectors.lake.stage import StagedFile


class LakeLanding:
    """One dataset of one tenant in the lake. Publishing moves the staged files away."""

    name = PARQUET

    def __init__(self, lake: Lake, specification: DatasetSpecification) -> None:
        self._lake = lake
        self._dataset = specification.dataset
        self._in_delta = specification.in_delta
        self._declared = {column.name for column in specification.known_columns}
        self._private = private_columns(specification.known_columns)
        # Slices are windows of whole days: only their queries differ.
        self._mode = str(Mode.SNAPSHOT if specification.mode is Mode.SNAPSHOT else Mode.WINDOW)

    def check(self) -> None:
        """Raise unless what has landed is of the same mode."""
        self._lake.check_mode(self._dataset, self._mode)
        if self._in_delta:
            from connectors.lake.delta import check_delta  # noqa: PLC0415 - for Delta tables only

            check_delta()

    def rows_before(self, starts_at: datetime, ends_at: datetime) -> int:
        """Return the number of rows that publishing [starts_at, ends_at) replaces."""
        manifest = self._lake.manifest(self._dataset)
        if manifest is None or not manifest.entries:
            return 0
        if self._mode == Mode.SNAPSHOT:
            return manifest.entries[-1].rows
        return sum(
            entry.rows
            for entry in manifest.entries
            if starts_at <= entry.starts_at and entry.ends_at <= ends_at
        )

    def check_unit(self, entry: Entry) -> None:
        """Raise if a window would replace only part of a landed one."""
        manifest = self._lake.check_mode(self._dataset, self._mode)
        if manifest:
            manifest.superseded_by(entry)

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Make a unit's staged files the ones that count; they move into the lake.

        The dataset's Delta tables follow, if it has any. If that fails, the files count all the
        same, and the unit is landed again.
        """
        newest = is_newest(self._lake.manifest(self._dataset), entry)
        # Publishing moves the files away.
        profile = take_profile(staged, self._private | self._unknown(schema), in_full=newest)
        apart = self._in_delta
        self._lake.publish(self._dataset, self._mode, entry, staged, schema, apart=apart)
        keep_profile(self._lake, self._dataset, entry, profile)
        if self._in_delta:
            from connectors.lake.delta import follow  # noqa: PLC0415 - for Delta tables only

            follow(self._lake, self._dataset)

    def _unknown(self, schema: pa.Schema) -> set[str]:
        """Return the columns that the dataset does not declare: nobody has said what they hold."""
        return set(schema.names) - self._declared

    def drop_before(self, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop the units that ended before an instant; the newest snapshot stays."""
        return self._lake.drop_before(self._dataset, instant, dry_run=dry_run)

    def close(self) -> None:
        """Do nothing: the lake holds no connections."""
