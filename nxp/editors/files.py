"""The schemas as files: shipped in the library, and written into projects."""

from pathlib import Path
from typing import Final

from connectors.lake.storage import storage_errors
from nxp.library import LIBRARY

# The same place in the library, in a project and in the clone's catalogue, so that one line at the
# head of a file is right in all of them.
FOLDER: Final = ".schemas"
PROJECT: Final = "nxp"
KINDS: Final = {
    "dataset": "A dataset: datasets/NAME.yaml",
    "sync": "A sync: syncs/NAME.yaml",
    "action": "An action: actions/NAME.yaml",
    "prefect": "Deployments: prefect.yaml",
    "automations": "Automations: automations.yaml",
    PROJECT: "Settings: nxp.toml",
}
_MODELINE: Final = "# yaml-language-server: $schema="
_OF_TOML: Final = "#:schema "


def schema_path(kind: str, folder: Path = LIBRARY) -> Path:
    """Return where the schema of a kind of file is, below the library or a project."""
    return folder / FOLDER / f"{kind}.json"


def read_schema(kind: str) -> str:
    """Return the shipped schema of a kind of file."""
    return schema_path(kind).read_text("utf-8")


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into a project, over those of another release; return what changed.

    Args:
        folder: the project, or another catalogue: where `datasets` is.

    Raises:
        StorageError: a file cannot be written.
    """
    written = []
    for kind in KINDS:
        target, content = schema_path(kind, folder), schema_path(kind).read_bytes()
        with storage_errors(target):
            if target.is_file() and target.read_bytes() == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            staged = target.with_name(f".{target.name}.new")
            staged.write_bytes(content)
            staged.replace(target)
        written.append(target)
    return written


def modeline(kind: str, depth: int = 1) -> str:
    """Return the line at the head of a file that names its schema to editors.

    Args:
        kind: the kind of file.
        depth: how many folders below the project the file is.
    """
    line = _OF_TOML if kind == PROJECT else _MODELINE
    return f"{line}{'../' * depth}{FOLDER}/{kind}.json"
