"""Copying from the library into a project: a dataset with its saved queries and questions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.catalogue import load_dataset
from connectors.catalogue.loading import query_path
from connectors.catalogue.names import DATASETS, names_in, unknown
from connectors.errors import StorageError, UsageError
from nxp.library import LIBRARY

QUERIES, QUESTIONS = "queries", "questions"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, as paths below the project; `kept` was there already, byte for byte."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def library_files(name: str) -> list[Path]:
    """Return the files of a dataset of the library: its YAML, saved queries and questions.

    Raises:
        UsageError: the library has no such dataset; the message names the nearest one.
    """
    known = names_in(LIBRARY, DATASETS)
    if name not in known:
        raise unknown("dataset", name, known, place="the library")
    return [
        LIBRARY / DATASETS / f"{name}.yaml",
        *(query_path(LIBRARY, each) for each in load_dataset(LIBRARY, name).query_ids()),
        *sorted((LIBRARY / QUESTIONS).glob(f"{name}.*")),
    ]


def copy_from_library(names: Iterable[str], project: Path) -> Copied:
    """Copy datasets of the library into a project's catalogue, all of them or nothing.

    Args:
        names: the datasets.
        project: the folder with datasets/ and queries/, which are created.

    Raises:
        UsageError: the library lacks one, or a file is there with another content; nothing is
            written.
        StorageError: a file cannot be written.
    """
    files = {path: path.relative_to(LIBRARY) for name in names for path in library_files(name)}
    kept = set(_same(files, project))
    if changed := [str(to) for to in files.values() if to not in kept and _exists(project / to)]:
        raise UsageError(
            f"{project} has {', '.join(changed)} already, with another content: "
            "nothing was copied; rename or remove what is there"
        )
    written = []
    for source, to in files.items():
        if to not in kept:
            write_new(project / to, source.read_bytes())
            written.append(to)
    return Copied(tuple(written), tuple(to for to in files.values() if to in kept))


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet, with its folders.

    Raises:
        StorageError: it exists by now, or its folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from None


def _same(files: Mapping[Path, Path], project: Path) -> Iterator[Path]:
    """Yield the files that the project has already, with the same content."""
    for source, to in files.items():
        try:
            if (project / to).read_bytes() == source.read_bytes():
                yield to
        except OSError:
            continue


def _exists(path: Path) -> bool:
    """Return whether a name is taken, also by a link that leads nowhere."""
    return path.exists() or path.is_symlink()
