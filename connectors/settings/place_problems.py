"""Whether the places that settings name can be used: found by looking, nothing is created."""

import os
from pathlib import Path
from typing import Final

from connectors.settings.installation import Settings
from connectors.settings.places import URL

_SQLITE: Final = b"SQLite format 3\0"
_IN_HOME: Final = ("spool", "staging", "prefect")
# Databases that are one file, by what their URL begins with.
_OF_FILES: Final = ("sqlite", "duckdb")


def place_problems(settings: Settings, tenant: str | None = None) -> list[str]:
    """Return why home, lake, ledger or database cannot be used, each with its setting.

    A folder that is not there yet is fine if it can be made. Object storage and servers are not
    looked at.
    """
    found: dict[str, list[str | None]] = {}
    home = _folder_problem(settings.home)
    inside = [_folder_problem(settings.home / each) for each in _IN_HOME]
    found["NXP_HOME"] = [home] if home else inside
    if not URL.match(settings.lake):
        found["NXP_LAKE"] = [_folder_problem(Path(settings.lake) / (tenant or ""))]
    urls = {"NXP_LEDGER_URL": settings.ledger_url, "NXP_DATABASE_URL": settings.database_url}
    for name, url in urls.items():
        if url and (file := _file_of(url.get_secret_value())):
            found[name] = [_file_problem(*file)]
    # What is in the home by default has the home's problem: the first one names it.
    named = {problem: name for name, each in reversed(found.items()) for problem in each if problem}
    return [f"{name}: {problem}" for problem, name in reversed(named.items())]


def _folder_problem(folder: Path) -> str | None:
    """Return why nothing can be written into a folder, or why it cannot be made."""
    found = next((each for each in (folder, *folder.parents) if _is_there(each)), Path("/"))
    if not found.is_dir():
        return f"{found} is a file, where a folder is needed: choose another place"
    if not _may(found, os.W_OK | os.X_OK):
        wanted = "" if found == folder else f", so {folder} cannot be made"
        return (
            f"no permission to write in {found}, or it is read-only{wanted}: allow it, or choose "
            "another place"
        )
    return None


def _file_problem(file: Path, is_sqlite: bool) -> str | None:
    """Return why a database file cannot be used, or why it cannot be made."""
    if not _is_there(file):
        return _folder_problem(file.parent)
    if not file.is_file():
        return f"{file} is not a file, and one is needed: name a file"
    if not _may(file, os.R_OK | os.W_OK):
        return f"no permission to write {file}, or it is read-only: allow it, or name another file"
    with file.open("rb") as opened:
        beginning = opened.read(len(_SQLITE))
    if is_sqlite and beginning and beginning != _SQLITE:
        return f"{file} is not a SQLite database: name another file"
    return _folder_problem(file.parent)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _is_there(path: Path) -> bool:
    """Return whether there is anything that this user can see."""
    try:
        path.stat()
    except OSError:
        # Missing, below a file, or in a folder closed to this user, which is looked at then.
        return False
    return True


def _file_of(url: str) -> tuple[Path, bool] | None:
    """Return the file of a database that is one, and whether it is SQLite's."""
    scheme, _, rest = url.partition(":///")
    kind, path = scheme.partition("+")[0], rest.partition("?")[0]
    if kind not in _OF_FILES or path in {"", ":memory:"} or path.startswith("file:"):
        return None
    return Path(path), kind == "sqlite"
