"""The sections of `nxp --help`: each command is in exactly one, in the order in which they help."""

from collections.abc import Mapping
from typing import Final

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Start here": ("demo", "init", "sandbox", "add", "check", "--install-completion"),
    "Data": (
        "export",
        "backfill",
        "datasets",
        "sql",
        "ask",
        "site",
        "lake",
        "nql",
        "schema",
        "rejects",
        "replay",
    ),
    "Enrich": ("plan", "apply", "sync", "retry", "undo", "enrich"),
    "Act": ("act", "remote-actions", "workflows", "campaigns", "spark", "devices"),
    "Operate": (
        "deploy",
        "doctor",
        "runs",
        "state",
        "maintain",
        "worker",
        "server",
        "stack",
        "settings",
    ),
}
LAST: Final = "Operate"


def place_of(command: str) -> tuple[str, int]:
    """Return the section of a command, and its place there; a new one is in the last section."""
    for section, commands in SECTIONS.items():
        if command in commands:
            return section, commands.index(command)
    return LAST, len(SECTIONS[LAST])
