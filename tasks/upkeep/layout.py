"""Which datasets of the lake are to be brought to the present layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from connectors.catalogue import DatasetSpecification, Mode, load_datasets
from connectors.errors import UsageError
from connectors.lake import Lake
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import load_tenant, tenant_name


@dataclass(frozen=True, slots=True)
class Moving:
    """The datasets to migrate, and what is known of them.

    Units of mode slices are days of the tenant, in its `zone`; it is only needed for those.
    """

    settings: Settings
    tenant: str
    datasets: tuple[str, ...]
    declared: Mapping[str, DatasetSpecification]
    zone: ZoneInfo | None

    def lake(self) -> Lake:
        """Return the tenant's part of the lake."""
        return Lake(self.settings.lake, self.tenant, self.settings.home / "staging")

    def zone_of(self, dataset: str) -> ZoneInfo | None:
        """Return the zone whose days a dataset's units are; None if they are not days."""
        known = self.declared.get(dataset)
        return self.zone if known and known.mode is Mode.SLICES else None


def plan_layout(name: str | None, tenant: str | None = None) -> Moving:
    """Check settings and catalogue, and choose the datasets: one, or all that have landed.

    Raises:
        ConfigurationError: settings or catalogue have problems; all are listed.
        UsageError: no dataset of that name has landed or is in the catalogue.
    """
    settings = load_settings()
    declared = load_datasets(settings.catalog)
    known = tenant_name(settings, tenant)
    landed = Lake(settings.lake, known).datasets()
    if name is not None and name not in {*landed, *declared}:
        raise UsageError(f"unknown dataset {name!a}: the lake has {', '.join(landed) or 'none'}")
    datasets = tuple(landed) if name is None else (name,)
    slices = any(of.mode is Mode.SLICES for of in declared.values() if of.dataset in datasets)
    zone = load_tenant(settings, tenant).zone if slices else None
    return Moving(settings, known, datasets, declared, zone)
