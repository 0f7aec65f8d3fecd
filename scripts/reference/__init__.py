"""Pages of docs/reference that are made from the code: `python -m scripts.reference`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from scripts.reference import commands, errors, files, tables

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {"commands": commands.page, "errors": errors.page, "files": files.page, "tables": tables.page}
)
