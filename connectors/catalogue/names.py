"""The names in the catalogue, by its files; none of them is read."""

from pathlib import Path

from connectors.errors import ConfigurationError, UsageError

# The folders, and what one of their files is called.
DATASETS, SYNCS, ACTIONS, QUESTIONS = "datasets", "syncs", "actions", "questions"
KINDS = {DATASETS: "dataset", SYNCS: "sync", ACTIONS: "action"}
# More names than these are listed by a command.
_SHOWN = 12


def names_in(catalog: Path, folder: str) -> list[str]:
    """Return the names of the files in a folder of the catalogue.

    Raises:
        ConfigurationError: there are no datasets, so this is not a catalogue.
    """
    place = catalog / folder
    if folder == DATASETS and not place.is_dir():
        raise ConfigurationError(f"no folder {place}: set NXP_CATALOG to the catalogue")
    return sorted(path.stem for path in place.glob("*.yaml"))


def check_named(catalog: Path, name: str, *folders: str) -> None:
    """Raise unless one of these folders has a file of this name.

    Commands call it before they import anything large: a typo is answered at once.

    Raises:
        UsageError: none has; the message lists the names there are.
        ConfigurationError: there is no catalogue.
    """
    known = [each for folder in folders for each in names_in(catalog, folder)]
    if name not in known:
        raise unknown(" or ".join(KINDS[folder] for folder in folders), name, known)


def unknown(kind: str, name: str, known: list[str]) -> UsageError:
    """Return the error about a name that is not in the catalogue, with the one it may mean."""
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    near = get_close_matches(name, known, n=1)
    if near:
        return UsageError(f"unknown {kind} {name!r}: did you mean {near[0]}?{_listed(known)}")
    return UsageError(
        f"unknown {kind} {name!r}: the catalogue has {', '.join(known[:_SHOWN]) or 'none'}"
        f"{f' and {len(known) - _SHOWN} more' if len(known) > _SHOWN else ''}"
        "; nxp add lists those of the library"
    )


def _listed(known: list[str]) -> str:
    return f" The catalogue has {', '.join(known)}" if len(known) <= _SHOWN else ""
