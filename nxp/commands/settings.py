"""`nxp settings`: each setting, its value, and where it comes from."""

import os
import sys
from typing import Final

from connectors.errors import ConfigurationError
from nxp.answers.settings import SettingShown, SettingSource
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say
from nxp.shown_settings import show_settings

WIDTH: Final = 80


def settings(*, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show each setting, its value, and where it comes from; secrets are masked.

    The variable comes first, then the file that NAME_FILE names, then nxp.toml, then the default.
    With --tenant, the tenant's settings are the profile's. What each means: docs/settings.md.
    """
    shown = show_settings(tenant, os.environ)
    if as_json:
        print_json(shown.rows)
    else:
        rows = [(each.name, _short(each.value), _where(each)) for each in shown.rows]
        print_table(("name", "value", "from"), rows)
    # The table is first, even if both streams are read as one.
    sys.stdout.flush()
    for note in shown.notes:
        say(note)
    if shown.problems:
        raise ConfigurationError("settings", problems=tuple(shown.problems))


def _short(value: str | None) -> str | None:
    """Return a value that leaves room for the other columns; --json has all of it."""
    return f"{value[:WIDTH]}…" if value and len(value) > WIDTH else value


def _where(row: SettingShown) -> str:
    match row.source:
        case (
            SettingSource.VARIABLE
            | SettingSource.FILE
            | SettingSource.PROJECT
            | SettingSource.PROFILE
        ):
            return row.place
        case SettingSource.BLOCK:
            return f"block {row.place}"
        case _:
            return row.source.value
