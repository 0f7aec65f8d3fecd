"""The JSON Schema of nxp.toml, made from the list of settings."""

from typing import Any, Final, get_args

from connectors.limits import Limits
from connectors.project import PROFILES
from connectors.settings.described import SettingDescription, SettingGroup, all_settings
from connectors.settings.installation import Settings
from connectors.settings.project_keys import SECRETS
from connectors.settings.tenant import TenantSettings

_TYPES: Final = {bool: "boolean", int: "integer", float: "number"}


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of nxp.toml: a secret is not in it, only the file that holds one."""
    settings = [each for each in all_settings() if each.key]
    tenants = [each for each in settings if each.group is SettingGroup.TENANT]
    profiles = {
        "type": "object",
        "description": "Several tenants: each has a table, and is chosen with --tenant NAME.",
        "additionalProperties": _table(tenants),
    }
    whole = _table(settings)
    whole["properties"][PROFILES] = profiles
    return {"description": "The settings of a project. Variables win over what it says.", **whole}


def _table(settings: list[SettingDescription]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for each in settings:
        if each.key not in SECRETS:
            properties[each.key] = _value(each)
        if each.has_file:
            properties[f"{each.key}_file"] = {
                "type": "string",
                "description": f"A file that holds {each.key}. {each.meaning}",
            }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(setting: SettingDescription) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _type_of(setting.key), "description": setting.meaning}
    return found if setting.value is None else found | {"default": setting.value}


def _type_of(key: str) -> str:
    for model in (Settings, TenantSettings, Limits):
        if info := model.model_fields.get(key):
            annotation = info.annotation
            kinds = [annotation, *get_args(annotation)]
            return next((_TYPES[kind] for kind in kinds if kind in _TYPES), "string")
    return "string"
