"""What `nxp settings` prints with --json."""

from dataclasses import dataclass
from enum import StrEnum


class SettingSource(StrEnum):
    """Where the value of a setting comes from."""

    VARIABLE = "variable"
    FILE = "file"
    PROJECT = "nxp.toml"
    PROFILE = "profile"
    BLOCK = "block"
    DEFAULT = "default"
    UNSET = "not set"


@dataclass(frozen=True, slots=True)
class SettingShown:
    """A setting: `value` is null if it has none, and *** if it is secret.

    `key` is its key in nxp.toml, null if it has none; `place` names the variable, the file with its
    line, or the block.
    """

    name: str
    key: str | None
    value: str | None
    source: SettingSource
    place: str
    secret: bool
    meaning: str
