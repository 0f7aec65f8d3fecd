"""Settings of the installation, read once at the start: state folder, lake, ledger, catalogue.

Values reach the rest of the code as frozen objects; those of a tenant are in `tenants`.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from connectors.errors import ConfigurationError, StorageError
from connectors.http.certificates import certificate_problems
from connectors.limits import read_limits
from connectors.settings.places import URL, instead_of
from connectors.variables import build, read_values, variable_name

# Shorter than the 30 s after which Prefect and Kubernetes kill what they asked to stop.
STOP_SECONDS = 20.0
OBJECT_STORAGE = re.compile(r"(s3|az)://[A-Za-z0-9$][A-Za-z0-9._-]+(/[A-Za-z0-9!_.'()=,+-]+)*")


class Settings(BaseModel, frozen=True):
    """Where this installation keeps its state, its data and its catalogue; all paths absolute."""

    home: Path = Path(".nxp")
    lake: str = ""
    ledger_url: SecretStr = SecretStr("")
    database_url: SecretStr | None = None
    catalog: Path = Path("deployments")
    # Memory for row groups not written yet, over all units landing at the same time.
    memory_mb: int = Field(default=192, ge=16)
    # What a query of `nxp sql` may spill to disk beyond its memory, which is memory_mb.
    sql_spill_mb: int = Field(default=10_240, ge=16)
    # Exports running at once over all runs of one worker; None leaves it to each run.
    exports_per_worker: int | None = Field(default=None, ge=1)
    # The worker whose runs are counted together; by default the process that started the run.
    worker: str = Field(default="", max_length=200)
    # How long running work may take to end after a run is asked to stop.
    stop_seconds: float = Field(default=STOP_SECONDS, ge=0, le=3600)
    # The log on stderr: text for people, or one JSON object per line for machines.
    log: Literal["text", "json"] = "text"
    # Whether commands run as flows; by default they do if a Prefect server is configured.
    prefect: bool | None = None
    # Whether datasets may name functions of the project, which run with all rights of the command.
    allow_code: bool = False
    # Where alerts are sent: a webhook that accepts {"text": …}, as chat systems offer.
    alert_url: SecretStr | None = None

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
            raise ValueError("must not contain ?, % or #: database URLs are built from it")
        return home

    @field_validator("lake")
    @classmethod
    def _known_place(cls, lake: str) -> str:
        if set("*?[") & set(lake):
            raise ValueError("must not contain *, ? or [: readers treat them as patterns")
        return _object_storage(lake) if URL.match(lake) else lake

    @field_validator("alert_url")
    @classmethod
    def _webhook(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must be an http(s) URL")
        return url

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.database_url and _file_of(self.database_url) == _file_of(self.ledger_url) != "":
            # The SQL landing uses its own copy of SQLite: the two do not see each other's locks.
            raise ValueError("NXP_DATABASE_URL: must not be the ledger's SQLite file")
        return self


def _file_of(url: SecretStr) -> str:
    """Return the file of a SQLite URL, "" for any other URL."""
    scheme, _, path = url.get_secret_value().partition(":///")
    return str(Path(path).resolve()) if scheme.startswith("sqlite") and path else ""


def _object_storage(url: str) -> str:
    """Return the URL of a lake on object storage, checked; it must not contain the credential."""
    url = url.rstrip("/")
    if not url.startswith(("s3://", "az://")):
        raise ValueError(instead_of(url))
    if "@" in url or "#" in url:
        raise ValueError("must not hold a credential: set it in the AWS_* or AZURE_* variables")
    if not OBJECT_STORAGE.fullmatch(url) or {".", ".."} & set(url.split("/")):
        raise ValueError(
            "must be a bucket or container, whose name has two characters or more, and plain "
            "folders: s3://bucket/folder"
        )
    return url


def _catalog(given: str | None) -> Path:
    """Return the catalogue: as set, in the current folder, or next to an editable installation.

    A Prefect worker runs flows in a folder of its own, which has no ./deployments.
    """
    here = Path("deployments")
    installed = Path(__file__).resolve().parents[2] / "deployments"
    if given or here.is_dir() or not installed.is_dir():
        return Path(given or here)
    return installed


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the NXP_* variables; under a Prefect worker lake and ledger must be set.

    Raises:
        ConfigurationError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    values, problems = read_values(environ, "NXP_", Settings.model_fields)
    try:
        read_limits(environ)
    except ConfigurationError as error:
        # Ceilings are read where they are applied; here they are only checked.
        problems += error.problems
    problems += certificate_problems(environ)
    if "PREFECT__FLOW_RUN_ID" in environ:
        # A worker's folder is temporary: a default lake there would be lost with it.
        problems += [
            f"{variable_name('NXP_', field)}: must be set for a Prefect worker"
            for field in ("lake", "ledger_url")
            if not values.get(field)
        ]
    return build(Settings, values, problems, "NXP_")


def prepare_home(settings: Settings) -> Path:
    """Create the state folder, readable by its owner only, and return its path.

    Raises:
        StorageError: it is not writable.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It holds spooled results and the ledger; an existing folder may be open to everyone.
        settings.home.chmod(0o700)
        writable = os.access(settings.home, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise StorageError(f"NXP_HOME: cannot write {settings.home}: choose another folder")
    return settings.home
