"""Where a dataset lands: what every landing (the lake, a table) does, and how they are opened."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from connectors.catalogue import DatasetSpecification
from connectors.clock import utc_now
from connectors.errors import ConfigurationError
from connectors.lake import Entry, Lake
from connectors.lake.landing import LakeLanding
from connectors.lake.stage import StagedFile
from connectors.settings.installation import Settings


class Landing(Protocol):
    """Publishes the units of one tenant's dataset. All landings get the same staged Parquet.

    The lake comes last: it moves the staged files in; the others only read them.
    """

    name: str

    def check(self) -> None:
        """Raise unless the dataset can land here; called before anything is exported.

        Raises:
            PipelineError: the dataset does not fit what has landed here, or the place cannot be
                reached.
        """

    def rows_before(self, starts_at: datetime, ends_at: datetime) -> int:
        """Return the number of rows that publishing [starts_at, ends_at) replaces.

        For a snapshot: the rows of the newest one.
        """

    def check_unit(self, entry: Entry) -> None:
        """Raise unless a unit fits what is here now; called before any landing publishes it.

        Raises:
            DataRefusedError: the unit cannot replace what is already there.
        """

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Make a unit's staged files the ones that count, completely or not at all.

        Raises:
            DataRefusedError: the unit cannot replace what is already there.
            StorageError, UnavailableError: the place cannot be written; it is unchanged.
        """

    def drop_before(self, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop all units that ended before an instant; return how many rows they had."""

    def close(self) -> None:
        """Close connections."""


def open_landings(
    settings: Settings,
    tenant: str,
    specification: DatasetSpecification,
    lake: Lake,
    clock: Callable[[], datetime] = utc_now,
) -> Sequence[Landing]:
    """Return a dataset's landings in the order of publishing: the lake, which moves files, last.

    Raises:
        ConfigurationError: NXP_DATABASE_URL is not set, or cannot be used.
    """
    landings: list[Landing] = []
    if specification.sql:
        if settings.database_url is None:
            raise ConfigurationError(
                f"{specification.dataset} lands in a table: set NXP_DATABASE_URL to its database"
            )
        # Loaded only for a table: SQLAlchemy and ADBC take half a second.
        from connectors.sql import SqlLanding  # noqa: PLC0415

        url = settings.database_url.get_secret_value()
        landings.append(SqlLanding(url, tenant, specification, clock))
    if specification.in_lake:
        landings.append(LakeLanding(lake, specification))
    return landings
