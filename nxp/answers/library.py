"""Answers of `nxp add`."""

from dataclasses import dataclass
from typing import Annotated

from nxp.answers.sources import ours


@dataclass(frozen=True, slots=True)
class LibraryPart:
    """One part of the library."""

    name: Annotated[str, ours("Its name, for nxp add.")]
    kind: Annotated[str, ours("dataset, sync, action, notebook or query.")]
    topic: Annotated[str, ours("What it is about.")]
    title: Annotated[str, ours("What it is, in a few words.")]
    grain: Annotated[str, ours("What one row stands for; empty for other kinds.")]
    mode: Annotated[str | None, ours("snapshot, window or slices; null for other kinds.")]
    retention_class: Annotated[
        str | None, ours("How long the tenant keeps it: events, fine, inventory or summaries.")
    ]
    rows: Annotated[str, ours("How many rows to expect.")]
    permission: Annotated[str, ours("What the API credential has to be allowed to do.")]
    evidence: Annotated[str, ours("What its columns rest on.")]
    query_ids: Annotated[tuple[str, ...], ours("The saved queries that it needs.")]
    references: Annotated[tuple[str, ...], ours("Datasets that its columns refer to.")]
    is_added: Annotated[bool, ours("Whether the project has it.")]


@dataclass(frozen=True, slots=True)
class AddedParts:
    """What was copied into the project."""

    project: Annotated[str, ours("The project's folder.")]
    parts: Annotated[tuple[str, ...], ours("The parts that were asked for, and what they need.")]
    written: Annotated[tuple[str, ...], ours("Files written, relative to the project.")]
    same: Annotated[tuple[str, ...], ours("Files that the project has already.")]
    query_ids: Annotated[tuple[str, ...], ours("The saved queries that Nexthink has to have.")]
    wanted: Annotated[
        tuple[str, ...], ours("Datasets that they refer to, and that the project lacks.")
    ]
    dry_run: Annotated[bool, ours("Whether nothing was written because of --dry-run.")]
