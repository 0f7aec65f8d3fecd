"""The names in the catalogue, by its files; none of them is read."""

from collections.abc import Iterable, Sequence
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
    check_all_named(catalog, [name], *folders)


def check_all_named(catalog: Path, names: Iterable[str], *folders: str) -> None:
    """Raise unless these folders have a file of every name: nothing runs for half of a command.

    Raises:
        UsageError: some have none; the message has each of them, and lists the names there are.
        ConfigurationError: there is no catalogue.
    """
    known = [each for folder in folders for each in names_in(catalog, folder)]
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if missing:
        raise unknown(" or ".join(KINDS[folder] for folder in folders), missing, known)


def unknown(kind: str, names: Sequence[str], known: Sequence[str]) -> UsageError:
    """Return the error about names that are not in the catalogue, with those they may mean."""
    near = {name: nearest(name, known) for name in names}
    said = [
        f"unknown {kind} {name!r}{f': did you mean {meant}?' if meant else ''}"
        for name, meant in near.items()
    ]
    if all(near.values()):
        listed = f" The catalogue has {', '.join(known)}" if len(known) <= _SHOWN else ""
        return UsageError(f"{'; '.join(said)}{listed}")
    # After a question mark, a sentence of its own.
    the = " The" if said[-1].endswith("?") else ": the"
    return UsageError(
        f"{'; '.join(said)}{the} catalogue has {', '.join(known[:_SHOWN]) or 'none'}"
        f"{f' and {len(known) - _SHOWN} more' if len(known) > _SHOWN else ''}"
        "; nxp add lists those of the library"
    )


def unknown_queries(query_ids: Iterable[str], known: Sequence[str]) -> UsageError:
    """Return the error about saved queries that the catalogue lacks, with those they may mean."""
    near = {query_id: nearest(query_id, known) for query_id in query_ids}
    said = (f"{each}{f' (did you mean {meant}?)' if meant else ''}" for each, meant in near.items())
    return UsageError(
        f"the catalogue has no saved query {', '.join(said)}: nxp nql queries lists them"
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name that a mistyped one may mean, in whichever case it is written, if any."""
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None
