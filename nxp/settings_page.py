"""docs/settings.md: `python -m nxp.settings_page > docs/settings.md`."""

import sys
from collections.abc import Iterator
from typing import Final

from connectors.settings.described import SettingDescription, SettingGroup, settings_of

COMMAND: Final = "python -m nxp.settings_page > docs/settings.md"
_BEGINNING: Final = f"""\
# Settings

Every setting, with its variable, its key in nxp.toml, and its default. This page is made from the
code by `{COMMAND}`. A test compares it.

- A setting comes from, in this order: its variable (`NXP_LAKE`); the file that the variable with
  `_FILE` names (`NXP_LAKE_FILE=/run/secrets/lake`); `nxp.toml` of the [project](projects.md); the
  default. A variable that is empty counts as not set.
- `nxp settings` shows what counts at the moment, and where it comes from.
- In `nxp.toml` a key may also end with `_file`: `lake_file = "lake.txt"`. Paths there are relative
  to its folder. In variables they are relative to the current folder.
- Settings marked **secret** must not be in `nxp.toml`: set the variable, its `_FILE`, or the key
  with `_file`.
- The keys of the tenant are those of a [profile](credentials.md) too.
"""
_NOTES: Final = {
    SettingGroup.SOURCES: "`NAME` is the connection in capitals: `connection: cmdb` reads "
    "`NXP_SOURCE_CMDB_URL` ([sources.md](sources.md)). They have no key in nxp.toml.",
    SettingGroup.PROCESS: "They belong to a process, not to a project.",
    SettingGroup.OTHERS: "Set for other programs too; they have no `_FILE` and no key in nxp.toml. "
    "More of Prefect: [deployment.md](deployment.md); of buckets: [lake.md](lake.md); of metrics: "
    "[observability.md](observability.md).",
}
_BY_HAND: Final = {
    "NXP_HOME": "`.nxp` in the project, otherwise in the current folder",
    "NXP_LAKE": "`lake` in the home",
    "NXP_LEDGER_URL": "`ledger.db` in the home",
    "NXP_CATALOG": "the project, otherwise `./deployments`",
    "NXP_RESULT_HOSTS": "the hosts of Amazon S3",
    "NEXTHINK_API_URL": "`https://INSTANCE.api.REGION.nexthink.cloud`",
    "NEXTHINK_LOGIN_URL": "`https://INSTANCE-login.REGION.nexthink.cloud`",
}


def page() -> str:
    """Return the text of docs/settings.md."""
    return "\n".join([_BEGINNING, *_groups()])


def _groups() -> Iterator[str]:
    for group in SettingGroup:
        yield f"## {group.value}\n"
        if note := _NOTES.get(group):
            yield f"{note}\n"
        has_keys = any(each.key for each in settings_of(group))
        yield (
            "| variable |"
            + (" key |" if has_keys else "")
            + " meaning |"
            + (" default |" if has_keys else "")
        )
        yield "|---|---|" + ("---|---|" if has_keys else "")
        for each in settings_of(group):
            cells = [f"`{each.variable}`", _meaning(each)]
            if has_keys:
                cells = [cells[0], f"`{each.key}`", cells[1], _default(each)]
            yield f"| {' | '.join(cells)} |"
        yield ""


def _meaning(setting: SettingDescription) -> str:
    return f"{setting.meaning}{' **Secret.**' if setting.secret else ''}".replace("|", "\\|")


def _default(setting: SettingDescription) -> str:
    if by_hand := _BY_HAND.get(setting.variable):
        return by_hand
    if setting.value is None:
        return ""
    value = setting.value
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
