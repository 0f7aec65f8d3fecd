"""Homes: folders with the state of an installation. A second ledger is never begun in silence."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from connectors.errors import ConfigurationError
from connectors.project import Project, is_set

# The default home, and the file of its ledger.
HOME: Final = ".nxp"
LEDGER: Final = "ledger.db"


def has_ledger(home: Path) -> bool:
    """Return whether a folder is a home with a ledger."""
    return (home / LEDGER).is_file()


def check_ledger(project: Project | None, home: Path, environ: Mapping[str, str]) -> None:
    """Raise if the home is not the one with a ledger in the current folder or the project's.

    NXP_HOME may name another home, a folder that exists. For a new one, NXP_LEDGER_URL or
    NXP_CATALOG has to be set too: two variables mean another installation.

    Raises:
        ConfigurationError: the message names both homes.
    """
    if is_set(environ, "NXP_LEDGER_URL"):
        return
    is_named = is_set(environ, "NXP_HOME")
    if is_named and (home.exists() or is_set(environ, "NXP_CATALOG")):
        return
    for other in _homes_here(project):
        if has_ledger(other) and other.resolve() != home:
            raise _two_homes(project, other, home, is_named=is_named)


def _homes_here(project: Project | None) -> Iterator[Path]:
    """Yield the default homes of the current folder and of the project."""
    # The current folder may have been deleted.
    with suppress(OSError):
        yield Path.cwd() / HOME
    if project:
        yield project.root / HOME


def _two_homes(
    project: Project | None, other: Path, home: Path, *, is_named: bool
) -> ConfigurationError:
    begun = f"{other} is a home with a ledger, but"
    if is_named or project is None:
        return ConfigurationError(
            f"{begun} NXP_HOME names {home}, which does not exist: unset NXP_HOME to continue with "
            "the first, or create that folder, to begin a second ledger on purpose"
        )
    return ConfigurationError(
        f"{begun} {project.place('home')} names the home {home}: set NXP_HOME to the one that you "
        "mean, or move one of them away (docs/projects.md)"
    )
