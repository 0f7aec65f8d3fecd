"""What a run is about, of which tenant, with which settings: known before anything is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant

Specification = TypeVar("Specification")


@dataclass(frozen=True, slots=True)
class Chosen(Generic[Specification]):
    """A specification of the catalogue, of which tenant it is run, and with which settings."""

    settings: Settings
    tenant: TenantSettings
    specification: Specification
    # As it was asked for: a profile, or None where the variables say the tenant.
    profile: str | None = None


def choose(
    load: Callable[[Path, str], Specification], name: str, tenant: str | None = None
) -> Chosen[Specification]:
    """Read settings and catalogue.

    Args:
        load: reads one specification of the catalogue.
        name: of the specification.
        tenant: a profile; without it the NEXTHINK_* variables say the tenant.

    Raises:
        UsageError: there is no such specification.
        ConfigurationError: with every problem found.
    """
    settings = load_settings()
    specification = load(settings.catalog, name)
    return Chosen(settings, load_tenant(settings, tenant), specification, tenant)
