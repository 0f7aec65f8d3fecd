"""Copying parts of the library into a project; a file that somebody changed is never replaced."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.catalogue.yaml_text import UNREADABLE, read_text
from connectors.errors import UsageError
from connectors.lake.storage import storage_errors
from nxp.library.contents import Library, Part, query_file


@dataclass(frozen=True, slots=True)
class Copies:
    """The files that parts of the library need in a project.

    Attributes:
        new: those to be written, relative to the project, with their texts.
        same: those that the project has already.
    """

    project: Path
    new: Mapping[str, str]
    same: tuple[str, ...]

    def write(self) -> None:
        """Write the new files, each as a whole.

        Raises:
            StorageError: one cannot be written; those before it stay.
            UsageError: one has appeared since, with another text.
        """
        for file, text in self.new.items():
            target = self.project / file
            with storage_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(target, text)


def plan_copies(library: Library, parts: Iterable[Part], project: Path) -> Copies:
    """Return which files of parts a project lacks, with questions that it can answer then.

    Raises:
        UsageError: the project has files of these names that differ; all of them are named.
    """
    chosen = list(parts)
    wanted = [part.file for part in chosen]
    wanted += [query_file(query_id) for part in chosen for query_id in part.query_ids]
    asked = list(dict.fromkeys(wanted))
    new, same, changed = _compared(library, asked, project)
    has = {part.name for part in chosen if part.dataset} | _datasets_in(project)
    added = {part.name for part in chosen if part.dataset}
    questions = [file for file, reads in library.questions() if reads <= has and reads & added]
    more, known, _ = _compared(library, questions, project)
    if changed:
        raise UsageError(
            f"{', '.join(changed)}: changed in {project}, so nothing was written: "
            "rename or delete the file to take the library's"
        )
    return Copies(project, new | more, (*same, *known))


def _compared(
    library: Library, files: Iterable[str], project: Path
) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the files to write, those that are there already, and those that differ."""
    new: dict[str, str] = {}
    same: list[str] = []
    changed: list[str] = []
    for file in files:
        text = read_text(library.folder / file)
        target = project / file
        if not target.exists() and not target.is_symlink():
            new[file] = text
        else:
            (same if _has(target, text) else changed).append(file)
    return new, same, changed


def _has(target: Path, text: str) -> bool:
    try:
        return read_text(target) == text
    except UNREADABLE:
        return False


def _datasets_in(project: Path) -> set[str]:
    return {path.stem for path in (project / "datasets").glob("*.yaml")}


def _write(target: Path, text: str) -> None:
    """Write a file that is not there yet: all of it, or nothing."""
    try:
        opened = target.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        raise UsageError(f"{target}: it has just appeared: run the command again") from None
    try:
        with opened:
            opened.write(text)
    except OSError:
        target.unlink(missing_ok=True)
        raise
