"""The landings of one dataset, in the order of publishing: the lake, which moves files, last."""

from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.catalogue import DatasetSpecification
from connectors.clock import utc_now
from connectors.errors import ConfigurationError
from connectors.lake import Lake
from connectors.lake.landing import LakeLanding
from connectors.landing import Landing
from connectors.settings.installation import Settings


def open_landings(
    settings: Settings,
    tenant: str,
    specification: DatasetSpecification,
    lake: Lake,
    clock: Callable[[], datetime] = utc_now,
) -> Sequence[Landing]:
    """Open where a dataset lands.

    Raises:
        ConfigurationError: NXP_DATABASE_URL is not set, or cannot be used.
    """
    landings: list[Landing] = []
    if specification.sql:
        if settings.database_url is None:
            raise ConfigurationError(
                f"{specification.dataset} lands in a table: set NXP_DATABASE_URL to its database"
            )
        # Loaded only where a table is wanted: SQLAlchemy and ADBC take half a second.
        from connectors.sql import SqlLanding  # noqa: PLC0415

        url = settings.database_url.get_secret_value()
        landings.append(SqlLanding(url, tenant, specification, clock))
    if specification.in_lake:
        landings.append(LakeLanding(lake, specification))
    return landings
