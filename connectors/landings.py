"""The landings of one dataset, in the order of publishing: the lake, which moves files, last."""

from collections.abc import Sequence

from connectors.catalogue import DatasetSpecification
from connectors.lake import Lake
from connectors.lake.landing import LakeLanding
from connectors.landing import Landing
from connectors.settings import Settings


def open_landings(
    settings: Settings, tenant: str, specification: DatasetSpecification, lake: Lake
) -> Sequence[Landing]:
    """Open where a dataset lands.

    Raises:
        ConfigurationError: NXP_DATABASE_URL is not set, or cannot be used.
    """
    return [LakeLanding(lake, specification)]
