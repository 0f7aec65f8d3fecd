"""A tenant's address and credential, from the NEXTHINK_* variables or a profile.

Profiles are tables in `$NXP_HOME/profiles.toml`, one for each tenant.
"""

import logging
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, field_validator, model_validator

from connectors.catalogue.retention import TenantRetention
from connectors.errors import ConfigurationError, PipelineError
from connectors.settings.installation import Settings
from connectors.settings.places import URL
from connectors.settings.regions import REGIONS, region_code
from connectors.text_files import read_text
from connectors.variables import build, read_values, variable_name

# The code of each region, as hosts have it, and its name, as Nexthink shows it.
TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
PROFILES = "profiles.toml"
# NEXTHINK_BLOCK, or a profile's key: the name of a block on the Prefect server.
BLOCK = "block"

log = logging.getLogger(__name__)


class TenantSettings(BaseModel, frozen=True):
    """One tenant's address and credential. `name` keys its data in ledger and lake."""

    instance: str = Field(min_length=1)
    region: str
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    scope: str = "service:integration"
    api_url: str = ""
    login_url: str = ""
    time_zone: str = "UTC"
    # Requests to the API in 24 hours of all processes of a ledger: of any kind, exports, executes.
    # Without a limit they are counted only.
    daily_calls: int | None = Field(default=None, ge=1)
    daily_exports: int | None = Field(default=None, ge=1)
    daily_executes: int | None = Field(default=None, ge=1)
    # Calls of all processes together. The reported rate (one query a second) applies to `execute`,
    # which no flow uses, so there is no rate unless set.
    calls_per_second: float | None = Field(default=None, gt=0)
    # Exports running at once, of all processes together. No such limit is documented: by default
    # as many as one run may ask for.
    exports_at_once: int = Field(default=16, ge=1)
    # Results with this many rows count as cut. Only for tenants that do not send HTTP 206 instead.
    export_row_limit: int | None = Field(default=None, ge=1)
    # How long the tenant keeps its data, such as `14d` or `events=30d, fine=8d`.
    tenant_retention: TenantRetention = Field(default_factory=dict)
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
        host = f"{self.region}.nexthink.cloud"
        derived = {
            "api_url": self.api_url or f"https://{self.instance}.api.{host}",
            "login_url": self.login_url or f"https://{self.instance}-login.{host}",
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


def load_tenant(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> TenantSettings:
    """Read one tenant: the given profile, otherwise the NEXTHINK_* variables.

    Either may name a Prefect block that holds the credential.

    Raises:
        ConfigurationError: with every problem found.
    """
    tenant = _read_tenant(settings, profile, environ)
    tenant._source = partial(_read_tenant, settings, profile, environ)  # noqa: SLF001 - its own
    return tenant


def _read_tenant(
    settings: Settings, profile: str | None, environ: Mapping[str, str] | None
) -> TenantSettings:
    environ = os.environ if environ is None else environ
    if profile is None:
        values, problems = read_values(
            environ, "NEXTHINK_", {**TenantSettings.model_fields, BLOCK: None}
        )
        values.pop("name", None)
        values, block = _with_block(values, problems, environ, "NEXTHINK_")
        tenant = build(TenantSettings, values, problems, "NEXTHINK_")
        tenant._names = _as_written(environ, "NEXTHINK_") | block  # noqa: SLF001 - its own
        return tenant
    profiles = _profiles(settings.home / PROFILES)
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(
            f"no tenant profile {profile!r} in {settings.home / PROFILES} (known: {known})"
        )
    if not isinstance(profiles[profile], dict):
        raise ConfigurationError(f"{settings.home / PROFILES}: [{profile}] is not a table")
    table = {key.upper(): str(value) for key, value in profiles[profile].items()}
    read = {**TenantSettings.model_fields, BLOCK: None}
    values, problems = read_values(table, "", read)
    fields = read.keys() - {"name"}
    allowed = {f"{field}{end}" for field in fields for end in ("", "_file")}
    unknown = sorted(profiles[profile].keys() - allowed)
    problems += [f"{profile}.{key}: not a setting" for key in unknown]
    values, block = _with_block(values, problems, environ, f"{profile}.")
    tenant = build(TenantSettings, {**values, "name": profile}, problems, f"{profile}.")
    tenant._names = _as_written(profiles[profile], "") | block  # noqa: SLF001 - its own
    tenant._place = f" of [{profile}] in {settings.home / PROFILES}"  # noqa: SLF001
    return tenant


def _as_written(given: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Return the names of fields whose value is in a file: NEXTHINK_CLIENT_SECRET_FILE."""
    names = {}
    for field in TenantSettings.model_fields:
        name = variable_name(prefix, field)
        file = f"{name}_FILE" if prefix else f"{name}_file"
        if not given.get(name) and given.get(file):
            names[field] = file
    return names


def _with_block(
    values: dict[str, str], problems: list[str], environ: Mapping[str, str], prefix: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Add the values of a Prefect block, if one is named; values set directly take precedence.

    Returns:
        the values, and for those of the block what to check instead of a variable.
    """
    name = values.pop(BLOCK, None)
    if name is None:
        return values, {}
    problems += [
        f"{variable_name(prefix, field)}: {variable_name(prefix, BLOCK)} names a block that has "
        "it: set one of them"
        for field in ("client_id", "client_secret")
        if field in values
    ]
    from connectors.settings.blocks import read_block  # noqa: PLC0415 - httpx, only for a block

    found = read_block(name, environ)
    theirs = {key: found[key] for key in found.keys() & TenantSettings.model_fields.keys()}
    written = f"the block {name} of {variable_name(prefix, BLOCK)}"
    return theirs | values, dict.fromkeys(theirs.keys() - values.keys(), written)


def tenant_name(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Return the name of the tenant whose landed data is meant, without needing its credential.

    This is the profile, or NEXTHINK_INSTANCE and _REGION, or the only tenant in the lake.

    Raises:
        ConfigurationError: these do not decide.
    """
    environ = os.environ if environ is None else environ
    if profile:
        if not TENANT_NAME.fullmatch(profile):
            raise ConfigurationError(f"tenant {profile!r} is not the name of a tenant")
        return profile
    values, _ = read_values(environ, "NEXTHINK_", {"instance": None, "region": None, BLOCK: None})
    if "instance" in values and "region" in values:
        return f"{values['instance']}.{region_code(values['region']) or values['region']}"
    if BLOCK in values:
        return load_tenant(settings, None, environ).name
    found, lake = _tenants(settings.lake), settings.lake
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(f"the lake {lake} contains no data yet: land some with nxp export")
    raise ConfigurationError(
        f"which tenant? set tenant to one of those in the lake: {', '.join(found)}"
    )


def _tenants(lake: str) -> list[str]:
    """Return the tenants of a lake: the folders with reports; other folders are not ours."""
    if not URL.match(lake):
        return sorted(path.parent.name for path in Path(lake).glob("*/_runs"))
    from connectors.lake.stores.remote import remote_tenants  # noqa: PLC0415 - obstore, only for buckets

    return remote_tenants(lake)


def _profiles(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
