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
from connectors.project import Project, add, find_project, is_set
from connectors.settings.homes import HOME, check_ledger, has_ledger
from connectors.settings.places import URL, instead_of
from connectors.variables import build, read_values, variable_name

# Shorter than the 30 s after which Prefect and Kubernetes kill what they asked to stop.
STOP_SECONDS = 20.0
# Where our packages are: a clone, or the site-packages of a wheel.
ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "nxp" / "library"
OBJECT_STORAGE = re.compile(r"(s3|az)://[A-Za-z0-9$][A-Za-z0-9._-]+(/[A-Za-z0-9!_.'()=,+-]+)*")


class Settings(BaseModel, frozen=True):
    """Where this installation keeps its state, its data and its catalogue; all paths absolute."""

    home: Path = Field(default=Path(HOME), description="The folder of this installation's state.")
    lake: str = Field(
        default="",
        description="Where rows land: a folder, s3://bucket/folder or az://container/folder; by "
        "default the folder lake in the home.",
    )
    ledger_url: SecretStr = Field(
        default=SecretStr(""),
        description="The ledger's database, as a SQLAlchemy URL; by default ledger.db in the home.",
    )
    database_url: SecretStr | None = Field(
        default=None, description="The database in which datasets with a landing in SQL land."
    )
    catalog: Path = Field(
        default=Path("deployments"),
        description="The folder with datasets/, queries/, syncs/ and actions/; in a project by "
        "default the project's own.",
    )
    memory_mb: int = Field(
        default=192,
        ge=16,
        description="Memory for rows not written yet, over all units that land at the same time.",
    )
    sql_spill_mb: int = Field(
        default=10_240,
        ge=16,
        description="What a query of nxp sql may write to disk beyond its memory (memory_mb).",
    )
    exports_per_worker: int | None = Field(
        default=None,
        ge=1,
        description="Exports running at once over all runs of one worker; by default each run "
        "decides.",
    )
    worker: str = Field(
        default="",
        max_length=200,
        description="The worker whose runs are counted together; by default the process that "
        "started the run.",
    )
    stop_seconds: float = Field(
        default=STOP_SECONDS,
        ge=0,
        le=3600,
        description="How long running work may take to end after a run is asked to stop.",
    )
    log: Literal["text", "json"] = Field(
        default="text",
        description="The log on stderr: text for people, or json: one object per line.",
    )
    prefect: bool | None = Field(
        default=None,
        description="Whether commands run as flows; by default they do if a Prefect server is "
        "known.",
    )
    allow_code: bool = Field(
        default=False,
        description="Whether datasets may name functions of the project, which run with all "
        "rights of the command.",
    )
    alert_url: SecretStr | None = Field(
        default=None,
        description='Where alerts are sent: a webhook that takes {"text": …}, as chats have.',
    )

    @model_validator(mode="before")
    @classmethod
    def _absolute(cls, values: dict[str, Any]) -> dict[str, Any]:
        home = Path(values.get("home") or HOME).expanduser().resolve()
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
    """Return the catalogue: as set, in the current folder, in the clone, otherwise the library.

    A project is always given.

    A Prefect worker runs flows in a folder of its own, which has no ./deployments.
    """
    if given:
        return Path(given)
    places = (Path("deployments"), ROOT / "deployments")
    return next((place for place in places if place.is_dir()), LIBRARY)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the NXP_* variables and nxp.toml; under a Prefect worker lake and ledger must be set.

    Args:
        environ: the variables, by default those of this process. Only for these it is checked
            whether a ledger would be begun next to the one that is here.

    Raises:
        ConfigurationError: with every problem found, of any key of nxp.toml too.
    """
    given = os.environ if environ is None else environ
    project = find_project(given)
    values, problems, names = _values(project, given)
    if project:
        # Only with a project: it brings the settings of tenants along.
        from connectors.settings.project_keys import project_problems  # noqa: PLC0415

        home = Path(values.get("home") or HOME).expanduser()
        problems += project_problems(project, Settings.model_fields, home)
    try:
        read_limits(given)
    except ConfigurationError as error:
        # Ceilings are read where they are applied; here they are only checked.
        problems += error.problems
    problems += certificate_problems(given)
    if "PREFECT__FLOW_RUN_ID" in given and not _is_home_known(project, given, values):
        # A worker's folder is temporary: a default lake there would be lost with it.
        problems += [
            f"{variable_name('NXP_', field)}: must be set for a Prefect worker"
            for field in ("lake", "ledger_url")
            if not values.get(field)
        ]
        if not values.get("catalog") and _catalog(None) == LIBRARY:
            # The library's dataset of a name is not the project's.
            problems.append("NXP_CATALOG: must be set for a Prefect worker")
    settings = build(Settings, values, problems, "NXP_", names)
    if environ is None:
        check_ledger(project, settings.home, given)
    return settings


def _values(
    project: Project | None, environ: Mapping[str, str]
) -> tuple[dict[str, str], list[str], Mapping[str, str]]:
    """Return the values of all fields, what is unreadable, and what messages call which field."""
    fields = Settings.model_fields
    if project is None:
        return *read_values(environ, "NXP_", fields), {}
    given = add(project, environ, "NXP_", fields)
    values, problems = read_values(given.environ, "NXP_", fields, given.names)
    if not is_set(environ, "NXP_HOME"):
        values.setdefault("home", str(project.root / HOME))
    if not is_set(environ, "NXP_CATALOG"):
        values.setdefault("catalog", str(project.root))
    return values, problems, given.names


def _is_home_known(
    project: Project | None, environ: Mapping[str, str], values: Mapping[str, str]
) -> bool:
    """Return whether a project's own home has a ledger, so it is not a temporary folder."""
    if project is None or is_set(environ, "NXP_HOME"):
        return False
    return has_ledger(Path(values["home"]))


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
