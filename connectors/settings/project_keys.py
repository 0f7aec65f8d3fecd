"""What nxp.toml may say: known keys, plain values, and never a secret."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from connectors.errors import ConfigurationError
from connectors.limits import Limits
from connectors.project import PROFILES, Project, read_toml
from connectors.settings.tenant import BLOCK, TenantSettings

PROFILES_FILE: Final = "profiles.toml"
# What a profile of a tenant may set.
TENANT_KEYS: Final = frozenset({*TenantSettings.model_fields, BLOCK} - {"name"})
# What must not lie in a file that is committed: credentials, and URLs that may hold a password.
SECRETS: Final = frozenset({"client_secret", "ledger_url", "database_url", "alert_url"})
# Names of keys that we do not know, but that look like a secret.
_LOOKS_SECRET: Final = re.compile(r"secret|password|passwd|token|api_?key", re.IGNORECASE)
_FILE_END: Final = "_file"


def project_problems(project: Project, own: Collection[str], home: Path) -> list[str]:
    """Return what is wrong with nxp.toml: unknown keys, secrets, odd values, doubled profiles.

    Args:
        project: whose file it is.
        own: the settings of the installation; those of tenants and the ceilings are known.
        home: the folder in which profiles.toml may be.
    """
    known = {*own, *Limits.model_fields, *TENANT_KEYS}
    problems = list(_of_table(project, (), project.table, known))
    profiles = project.table.get(PROFILES, {})
    if not isinstance(profiles, dict):
        problems.append(f"{project.place(PROFILES)}: {PROFILES}: write a table [profiles.NAME]")
        return problems
    for name, table in profiles.items():
        where = (PROFILES, name)
        if isinstance(table, dict):
            problems += _of_table(project, where, table, TENANT_KEYS)
        else:
            place = project.place(*where)
            problems.append(f"{place}: {PROFILES}.{name}: write a table [profiles.NAME]")
    return [*problems, *_in_both(project, home / PROFILES_FILE)]


def variable_of(key: str) -> str:
    """Return the variable that sets what a key of nxp.toml sets."""
    return f"{'NEXTHINK' if key.removesuffix(_FILE_END) in TENANT_KEYS else 'NXP'}_{key.upper()}"


def doubled(project: Project, name: str, file: Path) -> str:
    """Return that a profile is in both files."""
    return (
        f"profile {name} is in both {project.place(PROFILES, name)} and {file}: remove it from one "
        "of them"
    )


def _in_both(project: Project, file: Path) -> list[str]:
    """Return a problem for each profile that is in nxp.toml and in the home's profiles.toml."""
    if not project.profiles:
        return []
    try:
        others = read_toml(file)
    except (FileNotFoundError, ConfigurationError):
        # What is wrong with it matters to commands that read it.
        return []
    return [
        doubled(project, name, file) for name in sorted(project.profiles.keys() & others.keys())
    ]


def _of_table(
    project: Project, where: tuple[str, ...], table: Mapping[str, Any], known: Iterable[str]
) -> Iterator[str]:
    """Yield the problems of one table's keys."""
    allowed = {f"{key}{end}" for key in known for end in ("", _FILE_END)}
    for key, value in table.items():
        if not where and key == PROFILES:
            continue
        name = ".".join((*where, key))
        begin = f"{project.place(*where, key)}: {name}:"
        if (plain := _plain_name(key)) in SECRETS or _is_odd_secret(key, allowed):
            yield f"{begin} {_not_here(plain, in_profile=bool(where))}"
        elif key not in allowed:
            yield f"{begin} {unknown_key(key, value, allowed)}"
        elif not isinstance(value, str | int | float):
            yield f"{begin} must be a text, a number, true or false"
        elif f"{key}{_FILE_END}" in table:
            yield f"{begin} {key}{_FILE_END} is set too: keep one of them"


def _plain_name(key: str) -> str:
    """Return the key that is meant by a variable's name or by other case."""
    return key.lower().replace("-", "_").removeprefix("nxp_").removeprefix("nexthink_")


def _is_odd_secret(key: str, allowed: Collection[str]) -> bool:
    return key not in allowed and bool(_LOOKS_SECRET.search(key)) and not key.endswith(_FILE_END)


def _not_here(plain: str, *, in_profile: bool) -> str:
    """Return why a secret must not be in the file, and where it belongs."""
    if plain not in SECRETS:
        return "a secret must not be in nxp.toml, which is kept with the code: set a variable"
    variable = variable_of(plain)
    instead = f"set the variable {variable} or {variable}_FILE, or {plain}_file here"
    if in_profile:
        instead = (
            f"set {plain}_file or {BLOCK} here, or move the profile to {PROFILES_FILE} in NXP_HOME "
            f"(the variable {variable} is for the tenant without a profile)"
        )
    return f"a secret must not be in nxp.toml, which is kept with the code: {instead}"


def unknown_key(key: str, value: Any, allowed: Collection[str]) -> str:
    """Return that a key is not known, and which one may be meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    if isinstance(value, dict):
        return f"not a table of nxp.toml: tenants are [{PROFILES}.NAME], settings stand above them"
    near = get_close_matches(_plain_name(key), sorted(allowed), n=1, cutoff=0.6)
    return "not a setting" + (
        f"; did you mean {near[0]}?" if near else " (nxp settings lists them)"
    )
