"""The settings of one tenant: its address and credential, and what it allows."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, field_validator, model_validator

from connectors.catalogue.retention import TenantRetention
from connectors.errors import PipelineError
from connectors.settings.regions import REGIONS, region_code
from connectors.variables import variable_name

TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# NEXTHINK_BLOCK, or a profile's key: the name of a block on the Prefect server.
BLOCK = "block"

log = logging.getLogger(__name__)


class TenantSettings(BaseModel, frozen=True):
    """One tenant's address and credential. `name` keys its data in ledger and lake."""

    instance: str = Field(
        min_length=1, description="The tenant's name in its addresses: acme in acme.eu."
    )
    region: str = Field(
        description="us, eu, pac or meta, or the region's name, such as European Union."
    )
    client_id: str = Field(
        min_length=1, description="The client id of the API credential that Nexthink made."
    )
    client_secret: SecretStr = Field(min_length=1, description="The credential's secret.")
    scope: str = Field(
        default="service:integration", description="The OAuth scope that a token is requested for."
    )
    api_url: str = Field(
        default="",
        description="The API's origin; by default made from instance and region.",
    )
    login_url: str = Field(
        default="",
        description="The origin that issues tokens; by default made from instance and region.",
    )
    time_zone: str = Field(
        default="UTC",
        description="The zone in which the tenant reads and writes date-times, such as "
        "Europe/Zurich.",
    )
    daily_calls: int | None = Field(
        default=None,
        ge=1,
        description="Most requests to the API in 24 hours, of all processes of a ledger; without "
        "it they are counted only.",
    )
    daily_exports: int | None = Field(
        default=None, ge=1, description="Most exports in 24 hours, likewise."
    )
    daily_executes: int | None = Field(
        default=None, ge=1, description="Most queries run at once in 24 hours, likewise."
    )
    # The reported rate (one query a second) applies to `execute`, which no flow uses, so there is
    # no rate unless set.
    calls_per_second: float | None = Field(
        default=None,
        # One in 17 minutes: a run has to be able to wait for it.
        ge=0.001,
        allow_inf_nan=False,
        description="Most calls a second, of all processes together.",
    )
    # No such limit is documented: by default as many as one run may ask for.
    exports_at_once: int = Field(
        default=16, ge=1, description="Exports running at once, of all processes together."
    )
    export_row_limit: int | None = Field(
        default=None,
        ge=1,
        description="Results with this many rows count as cut; only for tenants that do not send "
        "HTTP 206 instead.",
    )
    tenant_retention: TenantRetention = Field(
        default_factory=dict,
        description="How long the tenant keeps its data, such as 14d or events=30d, fine=8d.",
    )
    name: str = ""
    # Reads all settings again from their source, if there is one.
    _source: Callable[[], "TenantSettings"] | None = PrivateAttr(default=None)
    # How the user wrote a field where it is not the usual variable, and where.
    _names: Mapping[str, str] = PrivateAttr(default={})
    _place: str = PrivateAttr(default="")

    @field_validator("region")
    @classmethod
    def _known_region(cls, region: str) -> str:
        code = region_code(region)
        if code is None:
            known = "; ".join(f"{code} or {name}" for code, name in REGIONS.items())
            raise ValueError(f"must be a region: {known}")
        return code

    @field_validator("api_url", "login_url")
    @classmethod
    def _origin(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an origin such as https://host or http://127.0.0.1:8080")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("must be an origin: scheme, host and port, without a path")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, LookupError):
            raise ValueError("must be an IANA zone such as Europe/Zurich") from None
        return zone

    @model_validator(mode="after")
    def _derived(self) -> Self:
        usual = addresses(self.instance, self.region)
        derived = {
            "api_url": self.api_url or usual["api_url"],
            "login_url": self.login_url or usual["login_url"],
            "name": self.name or f"{self.instance}.{self.region}",
        }
        if not TENANT_NAME.fullmatch(derived["name"]):
            kind = "the profile's name" if self.name else "instance"
            raise ValueError(f"{kind}: only lower-case letters, digits, dots, hyphens")
        if self.name.endswith(tuple(f".{region}" for region in REGIONS)) and (
            self.name != f"{self.instance}.{self.region}"
        ):
            # Data and state are keyed by name: tenants of one name would overwrite each other.
            raise ValueError(f"the profile's name {self.name} belongs to another instance")
        for field, value in derived.items():
            object.__setattr__(self, field, value)
        return self

    def reread(self) -> "TenantSettings":
        """Return the tenant read again: its credential may have changed since the last reading.

        If that fails, log a warning and return the known values.
        """
        try:
            return self._source() if self._source else self
        except PipelineError as error:
            log.warning("the credential of %s cannot be read again: %s", self.name, error)
            return self

    def named(self, *fields: str) -> str:
        """Return what to check for these fields: variables, or keys of the profile and its file."""
        usual = {
            field: "" if self._place else variable_name("NEXTHINK_", field) for field in fields
        }
        names = [self._names.get(field) or usual[field] or field for field in fields]
        return " and ".join(dict.fromkeys(names)) + self._place

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the tenant reads and writes date-times."""
        return ZoneInfo(self.time_zone)


def addresses(instance: str, region: str) -> dict[str, str]:
    """Return the origins of a tenant, by the names of their settings."""
    host = f"{region}.nexthink.cloud"
    return {
        "api_url": f"https://{instance}.api.{host}",
        "login_url": f"https://{instance}-login.{host}",
    }
