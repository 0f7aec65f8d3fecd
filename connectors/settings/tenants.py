"""Reading a tenant: from the NEXTHINK_* variables and nxp.toml, or from a profile.

Profiles are tables, one for each tenant: `[profiles.NAME]` in nxp.toml, or `[NAME]` in
`$NXP_HOME/profiles.toml`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from connectors.errors import ConfigurationError
from connectors.extras import require
from connectors.project import PROFILES, Completed, Project, add, find_project, is_set, read_toml
from connectors.settings.installation import Settings
from connectors.settings.places import URL
from connectors.settings.project_keys import PROFILES_FILE, TENANT_KEYS, doubled, unknown_key
from connectors.settings.regions import region_code
from connectors.settings.tenant import BLOCK, TENANT_NAME, TenantSettings
from connectors.variables import build, read_value, read_values, variable_name

__all__ = ["TenantSettings", "load_tenant", "tenant_name"]

PREFIX = "NEXTHINK_"


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """A profile's table, and where it is; `project` is set if that is nxp.toml."""

    name: str
    table: Mapping[str, Any]
    file: Path
    project: Project | None = None

    def place(self, key: str) -> str:
        """Return what messages call a key of it: its file, its name and the key."""
        file = self.project.place(PROFILES, self.name, key) if self.project else str(self.file)
        return f"{file}: {self.name}.{key}"

    def text(self, key: str) -> str:
        """Return a value as a variable would have it."""
        value = self.table[key]
        return self.project.text(key, value) if self.project else str(value)


def load_tenant(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> TenantSettings:
    """Read one tenant: the given profile, otherwise the NEXTHINK_* variables and nxp.toml.

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
    if profile is not None:
        return _of_profile(read_profile(settings, profile, environ), environ)
    given = tenant_environ(environ)
    values, problems = read_values(given.environ, PREFIX, dict.fromkeys(TENANT_KEYS), given.names)
    values, block = _with_block(values, problems, environ, PREFIX, given.names)
    named = {field: f"{field} in {place}" for field, place in block.items()}
    tenant = build(TenantSettings, values, problems, PREFIX, {**given.names, **named})
    written = {field: " in ".join(reversed(n.rsplit(": ", 1))) for field, n in given.names.items()}
    tenant._names = _as_written(environ, PREFIX) | written | block  # noqa: SLF001 - its own
    return tenant


def tenant_environ(environ: Mapping[str, str]) -> Completed:
    """Return the NEXTHINK_* variables, completed from nxp.toml unless they name another tenant."""
    project = find_project(environ)
    if project is None or names_another(project, environ):
        return Completed(environ, {})
    return add(project, environ, PREFIX, TENANT_KEYS)


def names_another(project: Project, environ: Mapping[str, str]) -> bool:
    """Return whether the variables name another tenant than nxp.toml: the two are never mixed."""
    for field in ("instance", "region", BLOCK):
        if not is_set(environ, f"{PREFIX}{field.upper()}"):
            continue
        value, _ = read_value(environ, f"{PREFIX}{field.upper()}")
        written = project.text(field, project.table.get(field))
        if field == "region":
            value, written = region_code(value) or value, region_code(written) or written
        if value != written and (written or field == BLOCK):
            return True
    return False


def _of_profile(profile: ProfileTable, environ: Mapping[str, str]) -> TenantSettings:
    """Return the tenant of a profile; it is never completed from the variables."""
    table = {key.upper(): profile.text(key) for key in profile.table}
    names = {key: profile.place(key) for key in TENANT_KEYS}
    names |= {
        field: profile.place(f"{field}_file")
        for field in TENANT_KEYS
        if not profile.table.get(field) and profile.table.get(f"{field}_file")
    }
    values, problems = read_values(table, "", dict.fromkeys(TENANT_KEYS), names)
    allowed = {f"{field}{end}" for field in TENANT_KEYS for end in ("", "_file")}
    unknown = sorted(profile.table.keys() - allowed)
    problems += [
        f"{profile.place(key)}: {unknown_key(key, profile.table[key], allowed)}" for key in unknown
    ]
    begin = f"{profile.file}: "
    values, block = _with_block(values, problems, environ, f"{profile.name}.", names)
    names |= {field: f"{begin}{field} in {place}" for field, place in block.items()}
    names[""] = f"{profile.file}: [{profile.name}]: "
    tenant = build(TenantSettings, {**values, "name": profile.name}, problems, "", names)
    tenant._names = _as_written(profile.table, "") | block  # noqa: SLF001 - its own
    where = f"{PROFILES}.{profile.name}" if profile.project else profile.name
    tenant._place = f" of [{where}] in {profile.file}"  # noqa: SLF001 - set here only
    return tenant


def read_profile(settings: Settings, name: str, environ: Mapping[str, str]) -> ProfileTable:
    """Return a profile, of nxp.toml or profiles.toml.

    Raises:
        ConfigurationError: there is none, it is in both, or a file cannot be read.
    """
    file, project = settings.home / PROFILES_FILE, find_project(environ)
    ours = project.profiles if project else {}
    try:
        others = read_toml(file)
    except FileNotFoundError:
        others = {}
    if name in ours and name in others and project:
        raise ConfigurationError(doubled(project, name, file))
    if name not in ours and name not in others:
        known = ", ".join(sorted({*ours, *others})) or "none"
        files = f"{file} or {project.file}" if project else f"{file}"
        raise ConfigurationError(f"no tenant profile {name!r} in {files} (known: {known})")
    found = project if name in ours else None
    table, file = (ours[name], found.file) if found else (others[name], file)
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: [{name}] is not a table")
    return ProfileTable(name, table, file, found)


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
    values: dict[str, str],
    problems: list[str],
    environ: Mapping[str, str],
    prefix: str,
    names: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Add the values of a Prefect block, if one is named; values set directly take precedence.

    Args:
        values: by field.
        problems: what is found to be wrong is added.
        environ: the variables, which name the server.
        prefix: of the variables, or of a profile's keys.
        names: what messages call a field that is not set by its variable.

    Returns:
        the values, and for those of the block what to check instead of a variable.
    """
    name = values.pop(BLOCK, None)
    if name is None:
        return values, {}
    problems += [
        f"{names.get(field) or variable_name(prefix, field)}: {variable_name(prefix, BLOCK)} names "
        "a block that has it: set one of them"
        for field in ("client_id", "client_secret")
        if field in values
    ]
    from connectors.settings.blocks import read_block  # noqa: PLC0415 - httpx, only for a block

    found = read_block(name, environ, names.get(BLOCK) or variable_name(prefix, BLOCK))
    theirs = {key: found[key] for key in found.keys() & TenantSettings.model_fields.keys()}
    written = f"the block {name} of {variable_name(prefix, BLOCK)}"
    return theirs | values, dict.fromkeys(theirs.keys() - values.keys(), written)


def tenant_name(
    settings: Settings, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Return the name of the tenant whose landed data is meant, without needing its credential.

    This is the profile, or NEXTHINK_INSTANCE and _REGION (in nxp.toml: instance and region), or the
    only tenant in the lake.

    Raises:
        ConfigurationError: these do not decide.
    """
    environ = os.environ if environ is None else environ
    if profile:
        if not TENANT_NAME.fullmatch(profile):
            raise ConfigurationError(f"tenant {profile!r} is not the name of a tenant")
        return profile
    given = tenant_environ(environ).environ
    values, _ = read_values(given, PREFIX, dict.fromkeys(("instance", "region", BLOCK)))
    if "instance" in values and "region" in values:
        return f"{values['instance']}.{region_code(values['region']) or values['region']}"
    if BLOCK in values:
        return load_tenant(settings, None, environ).name
    if values:
        # The only tenant of the lake may be another one.
        missing = "REGION" if "instance" in values else "INSTANCE"
        raise ConfigurationError(
            f"{PREFIX}{missing}: not set: instance and region name the tenant together"
        )
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
    require("obstore", "NXP_LAKE: a lake on object storage")
    from connectors.lake.stores.remote import remote_tenants  # noqa: PLC0415 - obstore, only for buckets

    return remote_tenants(lake)
