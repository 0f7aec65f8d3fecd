"""Settings, read once at the edge: state folder, lake and ledger, and the tenant's credential.

Every variable may be given as `NAME_FILE`, a file that holds the value. Several tenants live as
tables in `$NXP_HOME/profiles.toml`. Values reach the rest of the code as frozen objects.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator

from connectors.errors import ConfigurationError, StorageError

REGIONS = ("us", "eu", "pac", "meta")
TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
PROFILES = "profiles.toml"
# Also `s3:/bucket`, which would else become a folder of that name.
URL = re.compile(r"[a-z][a-z0-9+.-]*://|(s3|az):", re.IGNORECASE)
OBJECT_STORAGE = re.compile(r"(s3|az)://[A-Za-z0-9$][A-Za-z0-9._-]+(/[A-Za-z0-9!_.'()=,+-]+)*")

Model = TypeVar("Model", bound=BaseModel)


class Settings(BaseModel, frozen=True):
    """Where this installation keeps its state, its data and its catalogue; all paths absolute."""

    home: Path = Path(".nxp")
    lake: str = ""
    ledger_url: SecretStr = SecretStr("")
    database_url: SecretStr | None = None
    catalog: Path = Path("deployments")

    @model_validator(mode="before")
    @classmethod
    def _absolute(cls, values: dict[str, Any]) -> dict[str, Any]:
        home = Path(values.get("home") or ".nxp").expanduser().resolve()
        lake = str(values.get("lake") or home / "lake")
        return {
            **values,
            "home": home,
            "lake": lake if URL.match(lake) else str(Path(lake).expanduser().resolve()),
            "ledger_url": values.get("ledger_url") or f"sqlite:///{home / 'ledger.db'}",
            "catalog": _catalog(values.get("catalog")).expanduser().resolve(),
        }

    @field_validator("home")
    @classmethod
    def _plain_home(cls, home: Path) -> Path:
        if set("?%#") & set(str(home)):
            raise ValueError("must not contain ?, % or #: database addresses are made from it")
        return home

    @field_validator("lake")
    @classmethod
    def _known_place(cls, lake: str) -> str:
        if set("*?[") & set(lake):
            raise ValueError("must not contain *, ? or [: readers take them for patterns")
        return _object_storage(lake) if URL.match(lake) else lake

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.database_url and _file_of(self.database_url) == _file_of(self.ledger_url) != "":
            # The landing writes by a copy of SQLite of its own: locks of the two do not add up.
            raise ValueError("NXP_DATABASE_URL: must not be the ledger's own SQLite file")
        return self


def _file_of(url: SecretStr) -> str:
    """Give the file of a SQLite URL, "" of any other."""
    scheme, _, path = url.get_secret_value().partition(":///")
    return str(Path(path).resolve()) if scheme.startswith("sqlite") and path else ""


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
    # Requests to the API per day, as reported of the product's thresholds; for planning.
    daily_calls: int = Field(default=50_000, ge=1)
    # Results of so many rows count as cut. HTTP 206 says so by itself: only for tenants where not.
    export_row_limit: int | None = Field(default=None, ge=1)
    name: str = ""

    @field_validator("region")
    @classmethod
    def _known_region(cls, region: str) -> str:
        if region not in REGIONS:
            raise ValueError(f"must be one of {', '.join(REGIONS)}")
        return region

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
            raise ValueError(f"{kind}: only lower-case letters, digits, dots and hyphens")
        if self.name.endswith(tuple(f".{region}" for region in REGIONS)) and (
            self.name != f"{self.instance}.{self.region}"
        ):
            # Data and state are kept by name: two tenants of one name would overwrite each other.
            raise ValueError(f"the profile's name {self.name} is that of another instance")
        for field, value in derived.items():
            object.__setattr__(self, field, value)
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the tenant reads and writes date-times."""
        return ZoneInfo(self.time_zone)


def _tenants(lake: str) -> list[str]:
    """Name the tenants of a lake: each has its reports; other folders are not ours."""
    if not URL.match(lake):
        return sorted(path.parent.name for path in Path(lake).glob("*/_runs"))
    from connectors.lake.stores.remote import remote_tenants  # noqa: PLC0415 - obstore, only there

    return remote_tenants(lake)


def _object_storage(url: str) -> str:
    """Check the URL of a lake on object storage; the credential is no part of it."""
    url = url.rstrip("/")
    if not url.startswith(("s3://", "az://")):
        raise ValueError("must be a folder, s3://bucket/prefix or az://container/prefix")
    if "@" in url or "#" in url:
        raise ValueError("must hold no credential: give it by the AWS_* or AZURE_* variables")
    if not OBJECT_STORAGE.fullmatch(url) or {".", ".."} & set(url.split("/")):
        raise ValueError("must name a bucket, and plain folders: s3://bucket/folder")
    return url


def _catalog(given: str | None) -> Path:
    """Find the catalogue: as set, in the current folder, or beside an editable installation.

    A Prefect worker runs flows in a folder of its own, where ./deployments is not to be found.
    """
    here = Path("deployments")
    beside = Path(__file__).resolve().parents[1] / "deployments"
    if given or here.is_dir() or not beside.is_dir():
        return Path(given or here)
    return beside


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the NXP_* variables; under a Prefect worker lake and ledger must be set.

    Raises:
        ConfigurationError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    values, problems = _values(environ, "NXP_", Settings.model_fields)
    if "PREFECT__FLOW_RUN_ID" in environ:
        # A worker's folder is a throw-away one: a default lake there would be lost with it.
        problems += [
            f"{_variable('NXP_', field)}: must be set for a Prefect worker"
            for field in ("lake", "ledger_url")
            if not values.get(field)
        ]
    return _build(Settings, values, problems, "NXP_")


def prepare_home(settings: Settings) -> Path:
    """Create the state folder, for its owner's eyes only, and give it.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Spooled results and the ledger are in it; an existing folder may be open to all.
        settings.home.chmod(0o700)
        writable = os.access(settings.home, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise StorageError(f"NXP_HOME: cannot write {settings.home}: choose another folder")
    return settings.home


def load_tenant(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> TenantSettings:
    """Read one tenant: the profile of that name, else the NEXTHINK_* variables.

    Raises:
        ConfigurationError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    if profile is None:
        values, problems = _values(environ, "NEXTHINK_", TenantSettings.model_fields)
        values.pop("name", None)
        return _build(TenantSettings, values, problems, "NEXTHINK_")
    profiles = _profiles(settings.home / PROFILES)
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(
            f"no tenant profile {profile!r} in {settings.home / PROFILES} (known: {known})"
        )
    if not isinstance(profiles[profile], dict):
        raise ConfigurationError(f"{settings.home / PROFILES}: [{profile}] is no table")
    table = {key.upper(): str(value) for key, value in profiles[profile].items()}
    values, problems = _values(table, "", TenantSettings.model_fields)
    fields = TenantSettings.model_fields.keys() - {"name"}
    allowed = {f"{field}{end}" for field in fields for end in ("", "_file")}
    unknown = sorted(profiles[profile].keys() - allowed)
    problems += [f"{profile}.{key}: not a setting" for key in unknown]
    return _build(TenantSettings, {**values, "name": profile}, problems, f"{profile}.")


def tenant_name(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Name the tenant whose landed data is meant, without needing its credential.

    The profile, else NEXTHINK_INSTANCE and _REGION, else the only tenant in the lake.

    Raises:
        ConfigurationError: when none of these decides.
    """
    environ = os.environ if environ is None else environ
    if profile:
        if not TENANT_NAME.fullmatch(profile):
            raise ConfigurationError(f"--tenant {profile!r} is no name of a tenant")
        return profile
    values, _ = _values(environ, "NEXTHINK_", {"instance": None, "region": None})
    if len(values) > 1:
        return f"{values['instance']}.{values['region']}"
    found, lake = _tenants(settings.lake), settings.lake
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(f"the lake {lake} holds no data yet: land some with nxp export")
    raise ConfigurationError(f"which tenant? say --tenant NAME; the lake holds {', '.join(found)}")


def _variable(prefix: str, field: str) -> str:
    return f"{prefix}{field.upper()}" if prefix.isupper() else f"{prefix}{field}"


def _values(
    environ: Mapping[str, str], prefix: str, fields: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    problems: list[str] = []
    for field in fields:
        variable = f"{prefix}{field.upper()}"
        if environ.get(variable):
            values[field] = environ[variable]
        elif path := environ.get(f"{variable}_FILE"):
            try:
                values[field] = Path(path).expanduser().read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                problems.append(f"{variable}_FILE: cannot read the file {path}")
    return values, problems


def _build(model: type[Model], values: dict[str, str], problems: list[str], prefix: str) -> Model:
    try:
        built = model.model_validate(values)
    except ValidationError as error:
        problems += [_describe(problem, prefix) for problem in error.errors(include_input=False)]
    else:
        if not problems:
            return built
    raise ConfigurationError("settings", problems=tuple(problems)) from None


def _describe(problem: Any, prefix: str) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(text)
    variable = _variable(prefix, str(problem["loc"][0]))
    return f"{variable}: not set" if problem["type"] == "missing" else f"{variable}: {text}"


def _profiles(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
