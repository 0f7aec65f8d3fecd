"""`nxp add`: datasets of the library for a project, with their saved queries and questions."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.catalogue import DATASETS
from connectors.counting import number_of
from connectors.errors import ConfigurationError, UsageError
from connectors.project import find_project, is_set
from connectors.settings.installation import load_settings
from nxp.answers.library import AddedParts, LibraryPart
from nxp.editors.files import write_schemas
from nxp.library import LIBRARY
from nxp.library.contents import KINDS, NOTEBOOKS, Library, Part
from nxp.options import DryRun, Json
from nxp.output import print_json, print_table, print_text, say
from nxp.project.copying import Copied, plan_copies, write_copies

_HEADS: Final = ("name", "title", "grain", "retention", "rows", "permission", "added")


def part_names(_context: object) -> list[str]:
    """Return the names of the library's parts, for a shell that completes one."""
    files = (path for kind in KINDS for path in sorted((LIBRARY / kind).glob("[a-z]*.*")))
    return list(dict.fromkeys(path.stem for path in files))


def add(
    *name: Annotated[
        str, Parameter(completer=part_names, help="What to copy; without it, list the library.")
    ],
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="Add all datasets of the library.")
    ] = False,
    topic: Annotated[
        tuple[str, ...], Parameter(negative="", help="Add all datasets of a topic; repeatable.")
    ] = (),
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Copy datasets NAME of the library into the project, with the saved queries that they need.

    NAME may also be a sync, an action, or a saved query such as '#action_devices'. Without NAME,
    list the library by topic. Files that the project has already are left as they are; if one of
    them was changed, nothing is written.
    """
    library = Library()
    project = load_settings().catalog
    names = _chosen(library, name, topic, all_=all_)
    if not names:
        _list(library, project, as_json=as_json)
        return
    _check_is_chosen(project)
    parts = library.complete(names)
    copied = plan_copies(library, parts, project)
    if not dry_run:
        write_copies(library, copied, project)
        write_schemas(project)
    answer = _answer(parts, copied, project, dry_run=dry_run)
    if as_json:
        print_json(answer)
    else:
        _say(answer)


def _check_is_chosen(project: Path) -> None:
    """Raise unless the person has chosen a project: an installation's own files stay as they are.

    Raises:
        ConfigurationError: there is no project here, or its folder is missing.
    """
    if not (
        find_project(os.environ)
        or is_set(os.environ, "NXP_CATALOG")
        or project.parent == Path.cwd()
    ):
        raise ConfigurationError("there is no project here: nxp init makes one")
    if not project.is_dir():
        raise ConfigurationError(f"no folder {project}: nxp init makes a project")


def _chosen(
    library: Library, names: tuple[str, ...], topics: tuple[str, ...], *, all_: bool
) -> list[str]:
    """Return the names of the parts to add, each once.

    Raises:
        UsageError: some are not in the library; the message has those that may be meant.
    """
    topics = tuple(topic.lower() for topic in topics)
    if missing := [each for each in topics if each not in library.topics]:
        known = ", ".join(library.topics)
        raise UsageError(f"unknown topic {', '.join(missing)}: the library has {known}")
    chosen = list(library.datasets) if all_ else []
    chosen += [each for each, part in library.datasets.items() if part.topic in topics]
    return list(dict.fromkeys([*names, *chosen]))


def _list(library: Library, project: Path, *, as_json: bool) -> None:
    shown = [_shown(part, project) for part in library.by_topic]
    if as_json:
        print_json(shown)
        return
    for number, (heading, rows) in enumerate(_groups(shown)):
        print_text(f"\n{heading}" if number else heading)
        # Columns that no part of a group fills, such as the grain of syncs.
        filled = [at for at in range(len(_HEADS)) if any(row[at] for row in rows)]
        print_table([_HEADS[at] for at in filled], [[row[at] for at in filled] for row in rows])
    say()
    say(f"nxp add NAME… copies into {project}; nxp add --all copies all datasets")


def _groups(shown: Iterable[LibraryPart]) -> list[tuple[str, list[list[str]]]]:
    """Return the rows to print under each heading."""
    groups: dict[str, list[list[str]]] = {}
    for each in shown:
        heading = each.topic if each.kind == "dataset" else f"not datasets: {each.topic}"
        groups.setdefault(heading, []).append(_row(each))
    return list(groups.items())


def _shown(part: Part, project: Path) -> LibraryPart:
    dataset = part.dataset
    return LibraryPart(
        name=part.name,
        kind=part.kind,
        topic=part.topic,
        title=part.title,
        grain=(dataset.grain if dataset else None) or "",
        mode=dataset.mode if dataset else None,
        retention_class=dataset.retention_class if dataset else None,
        rows=dataset.rows if dataset else "",
        permission=dataset.permission if dataset else "",
        evidence=dataset.evidence if dataset else "",
        query_ids=part.query_ids,
        references=part.wants,
        is_added=(project / part.file).exists(),
    )


def _row(part: LibraryPart) -> list[str]:
    kept = part.retention_class or ""
    added = "yes" if part.is_added else ""
    return [part.name, part.title, part.grain, kept, part.rows, part.permission, added]


def _answer(parts: list[Part], copied: Copied, project: Path, *, dry_run: bool) -> AddedParts:
    wanted = {each for part in parts for each in part.wants} - {part.name for part in parts}
    return AddedParts(
        project=str(project),
        parts=tuple(part.name for part in parts),
        written=tuple(map(str, copied.written)),
        same=tuple(map(str, copied.kept)),
        query_ids=tuple(dict.fromkeys(each for part in parts for each in part.query_ids)),
        wanted=tuple(
            each for each in sorted(wanted) if not (project / DATASETS / f"{each}.yaml").exists()
        ),
        dry_run=dry_run,
    )


def _say(answer: AddedParts) -> None:
    for file in answer.written:
        print_text(file)
    what = "would be written" if answer.dry_run else "written"
    same = f", {len(answer.same)} there already" if answer.same else ""
    say(f"{number_of(len(answer.written), 'file')} {what} in {answer.project}{same}")
    if answer.wanted:
        names = " ".join(answer.wanted)
        say(f"they refer to {', '.join(answer.wanted)}: nxp add {names}")
    notebooks = [file for file in answer.written if file.startswith(f"{NOTEBOOKS}/")]
    if notebooks and not answer.dry_run:
        say(f"with pip install 'nexthink-pipelines[notebook]': marimo edit {notebooks[0]}")
    if answer.written and not answer.dry_run:
        say("next: nxp nql queries --to-paste prints what to paste into Nexthink; then nxp check")
