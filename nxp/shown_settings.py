"""Each setting with its value and where it comes from; secrets and wrong values are not shown."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import SecretStr

from connectors.errors import ConfigurationError
from connectors.limits import read_limits
from connectors.project import Project, find_project, is_set
from connectors.settings.described import SettingDescription, SettingGroup, all_settings, is_known
from connectors.settings.installation import load_settings
from connectors.settings.project_keys import TENANT_KEYS
from connectors.settings.regions import region_code
from connectors.settings.tenant import BLOCK, addresses
from connectors.settings.tenants import ProfileTable, names_another, read_profile
from connectors.sources.connection import NAMES, PREFIX
from connectors.variables import read_value
from nxp.answers.settings import SettingShown, SettingSource

MASK: Final = "***"
NOT_VALID: Final = "(not valid)"
# What may be secret in an address: user and password, and all behind the path.
_CREDENTIAL: Final = re.compile(r"(?<=://)[^/?#]*(?=@)|(?<=[?#]).+")
_CONNECTION: Final = "NAME"


@dataclass(slots=True)
class Shown:
    """All settings, and what is wrong with them; notes are not errors."""

    rows: list[SettingShown] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Read:
    """What settings are read from, and what they are in effect."""

    environ: Mapping[str, str]
    project: Project | None
    profile: ProfileTable | None
    effective: dict[str, Any]
    problems: list[str]
    # Whether nxp.toml's tenant counts: the variables may name another one.
    is_ours: bool


def show_settings(profile: str | None, environ: Mapping[str, str]) -> Shown:
    """Return all settings, those of the tenant from a profile if one is given.

    Raises:
        ConfigurationError: there is no such profile.
    """
    problems: list[str] = []
    project = None
    try:
        project = find_project()
    except ConfigurationError as error:
        problems.append(error.message)
    effective: dict[str, Any] = {}
    table = None
    try:
        settings = load_settings()
    except ConfigurationError as error:
        problems += [each for each in error.problems or [str(error)] if each not in problems]
        if profile:
            raise
    else:
        effective = settings.model_dump() | read_limits().model_dump()
        table = read_profile(settings, profile, environ) if profile else None
    is_ours = project is not None and not names_another(project, environ)
    read = _Read(environ, project, table, effective, problems, is_ours)
    shown = Shown(problems=problems)
    shown.rows = _with_addresses([row for each in all_settings() for row in _rows(each, read)])
    shown.notes = _notes(read)
    return shown


def _with_addresses(rows: list[SettingShown]) -> list[SettingShown]:
    """Return the rows with the addresses that are made from instance and region."""
    given = {row.key: row.value for row in rows if row.key}
    instance, region = given["instance"], region_code(given["region"] or "")
    if not instance or not region:
        return rows
    made = {key: value for key, value in addresses(instance, region).items() if given[key] is None}
    return [
        replace(row, value=made[row.key], source=SettingSource.DEFAULT) if row.key in made else row
        for row in rows
    ]


def _notes(read: _Read) -> list[str]:
    notes = [f"the project is {read.project.root}"] if read.project else []
    if read.project and not read.is_ours and read.profile is None:
        notes.append(
            f"the variables name another tenant than {read.project.file}, so its tenant is left out"
        )
    ours = (name for name in sorted(read.environ) if name.startswith(("NXP_", "NEXTHINK_")))
    return notes + [f"no setting is named {name}" for name in ours if not is_known(name)]


def _rows(setting: SettingDescription, read: _Read) -> Iterator[SettingShown]:
    """Yield the rows of a setting: one for each connection; none if others set it, or nobody."""
    if setting.group is SettingGroup.SOURCES:
        end = setting.variable.removeprefix(f"{PREFIX}{_CONNECTION}")
        for connection in _connections(read.environ):
            yield _row(setting, f"{PREFIX}{connection}{end}", read)
    elif setting.group is not SettingGroup.OTHERS or is_set(read.environ, setting.variable):
        yield _row(setting, setting.variable, read)


def _connections(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the connections that have any setting, as variables have them."""
    found = set()
    ends = sorted((f"_{name.upper()}" for name in NAMES), key=len, reverse=True)
    for name in environ:
        plain = name.removesuffix("_FILE")
        end = next((end for end in ends if plain.endswith(end)), None)
        if plain.startswith(PREFIX) and end:
            found.add(plain.removeprefix(PREFIX).removesuffix(end))
    return sorted(found - {""})


def _row(setting: SettingDescription, variable: str, read: _Read) -> SettingShown:
    source, place, value = _found(setting, variable, read)
    if source is SettingSource.DEFAULT:
        value = _default(setting, read)
        source = SettingSource.UNSET if value is None else source
    elif value is not None:
        value = MASK if setting.secret else value
        begins = (f"{variable}:", f"{variable}_FILE:", f"{place}: ")
        if any(problem.startswith(begins) for problem in read.problems):
            # It may be a URL with a credential.
            value = NOT_VALID
    if value and "://" in value:
        value = _CREDENTIAL.sub(MASK, value)
    return SettingShown(
        variable, setting.key or None, value, source, place, setting.secret, setting.meaning
    )


def _found(
    setting: SettingDescription, variable: str, read: _Read
) -> tuple[SettingSource, str, str | None]:
    """Return where a setting comes from: what kind of place, which one, and the value there."""
    key, environ = setting.key, read.environ
    if read.profile is not None and key in TENANT_KEYS:
        return _in_profile(key, read.profile)
    if environ.get(variable, "").strip():
        return SettingSource.VARIABLE, variable, read_value(environ, variable)[0]
    if setting.has_file and (path := environ.get(f"{variable}_FILE", "").strip()):
        return SettingSource.FILE, f"{variable}_FILE {path}", read_value(environ, variable)[0]
    project = read.project
    if project and key and (read.is_ours or key not in TENANT_KEYS):
        for name in (key, f"{key}_file"):
            if text := project.text(name, project.table.get(name)):
                place = project.place(name)
                return SettingSource.PROJECT, place, text if name == key else _of_file(text, key)
    if key in TENANT_KEYS - {BLOCK} and (block := _block(read)):
        return SettingSource.BLOCK, block, None
    return SettingSource.DEFAULT, "", None


def _in_profile(key: str, profile: ProfileTable) -> tuple[SettingSource, str, str | None]:
    for name in (key, f"{key}_file"):
        if profile.table.get(name):
            text = profile.text(name)
            place = profile.place(name)
            return SettingSource.PROFILE, place, text if name == key else _of_file(text, key)
    if key != BLOCK and profile.table.get(BLOCK):
        return SettingSource.BLOCK, profile.text(BLOCK), None
    return SettingSource.DEFAULT, "", None


def _of_file(path: str, key: str) -> str:
    """Return the value that a file holds, as a variable's file is read; "" if it cannot be."""
    return read_value({f"{key}_FILE": path}, key)[0]


def _block(read: _Read) -> str:
    """Return the block that the variables, or the project, name for the tenant."""
    if given := read_value(read.environ, "NEXTHINK_BLOCK")[0]:
        return given
    project = read.project if read.is_ours else None
    return project.text(BLOCK, project.table.get(BLOCK)) if project else ""


def _default(setting: SettingDescription, read: _Read) -> str | None:
    """Return the default in effect, such as the lake in the home; None if there is none."""
    value = read.effective.get(setting.key, setting.value) if setting.key else setting.value
    if isinstance(value, SecretStr):
        # A default that the program made, such as the ledger's file: it is not a secret.
        value = value.get_secret_value()
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
