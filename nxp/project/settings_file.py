"""The text of a new project's nxp.toml: every setting with its meaning, the chosen ones active."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from connectors.settings.described import SettingDescription, SettingGroup, settings_of
from connectors.settings.project_keys import SECRETS
from nxp.editors.files import PROJECT, modeline

# What a line that is not active shows where there is no default.
_EXAMPLES: Final[Mapping[str, object]] = {
    "instance": "acme",
    "region": "eu",
    "client_id": "…",
    "api_url": "https://acme.api.eu.nexthink.cloud",
    "login_url": "https://acme-login.eu.nexthink.cloud",
    "daily_calls": 10_000,
    "daily_exports": 500,
    "daily_executes": 1_000,
    "calls_per_second": 5,
    "export_row_limit": 1_000_000,
    "tenant_retention": "events=30d, fine=8d",
    "block": "nexthink-acme",
    "home": ".nxp",
    "lake": ".nxp/lake",
    "catalog": ".",
    "exports_per_worker": 4,
    "worker": "worker-1",
    "prefect": True,
}
_HEAD: Final = """\
# The settings of this project. A line that begins with # is not active: it shows the default, or
# an example. A variable such as NXP_LAKE, or the file that NXP_LAKE_FILE names, takes precedence
# over the line here. Paths are relative to this file. Secrets must not be here: see .env.example.
# What counts at the moment, and where it comes from: nxp settings
"""
_PROFILES: Final = """
# Several tenants: each has a table like this and is chosen with --tenant lab. The keys are those of
# the tenant above; the secret lies in a file, or in a block of the Prefect server (block = "…").
# [profiles.lab]
# instance = "lab"
# region = "eu"
# client_id = "…"
# client_secret_file = "/run/secrets/nexthink_lab"
"""


def settings_text(chosen: Mapping[str, object]) -> str:
    """Return the text of nxp.toml.

    Args:
        chosen: the values of the keys that are active; keys that end with _file too.
    """
    return "".join([f"{modeline(PROJECT, depth=0)}\n", _HEAD, *_groups(chosen), _PROFILES])


def _groups(chosen: Mapping[str, object]) -> Iterator[str]:
    for group in (
        SettingGroup.TENANT,
        SettingGroup.PLACES,
        SettingGroup.RUNS,
        SettingGroup.CEILINGS,
    ):
        yield f"\n# --- {group.value}\n"
        for each in settings_of(group):
            yield from _lines(each, chosen)


def _lines(setting: SettingDescription, chosen: Mapping[str, object]) -> Iterator[str]:
    """Yield a setting's meaning and its line."""
    if not setting.key:
        return
    yield f"\n# {setting.meaning}\n"
    file = f"{setting.key}_file"
    if file in chosen:
        yield f"{file} = {_written(chosen[file])}\n"
    elif setting.key in SECRETS:
        yield f"# A secret: set {setting.variable} or {setting.variable}_FILE.\n"
    elif setting.key in chosen:
        yield f"{setting.key} = {_written(chosen[setting.key])}\n"
    else:
        example = _EXAMPLES.get(setting.key, setting.value)
        yield f"# {setting.key} = {_written(example)}\n"


def _written(value: object) -> str:
    """Return a value as TOML has it."""
    # JSON's texts, numbers and booleans are TOML's, but for characters beyond the first plane.
    return json.dumps(value, ensure_ascii=False)
