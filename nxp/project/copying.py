"""Copying from the library into a project: its parts with saved queries and questions.

A file of the project that differs from the library's is never replaced: then nothing is copied.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from connectors.catalogue.names import DATASETS
from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text
from connectors.errors import StorageError, UsageError
from connectors.lake.storage import storage_errors
from nxp.library.contents import Library, Part, query_file


@dataclass(frozen=True, slots=True)
class Copied:
    """What is copied, as paths below the project; `kept` was there already, with equal text."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def plan_copies(library: Library, parts: Iterable[Part], project: Path) -> Copied:
    """Return which files of parts a project lacks, with questions that it can answer then.

    Raises:
        UsageError: the project has files of these names that differ; all of them are named.
    """
    chosen = list(parts)
    files = [Path(part.file) for part in chosen]
    files += [Path(query_file(query_id)) for part in chosen for query_id in part.query_ids]
    added = {part.name for part in chosen if part.dataset}
    has = added | {path.stem for path in (project / DATASETS).glob("*.yaml")}
    questions = [
        Path(file) for file, reads in library.questions() if reads <= has and reads & added
    ]
    named = list(dict.fromkeys([*files, *questions]))
    there = [file for file in named if _exists(project / file)]
    kept = [file for file in there if _is_same(library.folder / file, project / file)]
    # A question of one's own under the same name is nothing that a dataset needs.
    if changed := [str(file) for file in there if file not in kept and file not in questions]:
        raise UsageError(
            f"{project} has {', '.join(changed)} already, with another content: "
            "nothing was copied; rename or remove what is there"
        )
    return Copied(tuple(file for file in named if file not in there), tuple(kept))


def write_copies(library: Library, planned: Copied, project: Path) -> None:
    """Write the files that a project lacks.

    Raises:
        StorageError: one cannot be written; those before it stay.
    """
    for file in planned.written:
        write_new(project / file, (library.folder / file).read_bytes())
    with storage_errors(project):
        # A catalogue has this folder, even if it has no datasets yet.
        (project / DATASETS).mkdir(exist_ok=True)


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


def _is_same(source: Path, target: Path) -> bool:
    """Return whether two files have the same text, however their lines end."""
    try:
        return read_catalogue_text(target) == read_catalogue_text(source)
    except UNREADABLE:
        return False


def _exists(path: Path) -> bool:
    """Return whether a name is taken, also by a link that leads nowhere."""
    return path.exists() or path.is_symlink()
