"""The saved queries of a catalogue as one page, to be pasted into Nexthink from top to bottom."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.catalogue import ACTIONS, SYNCS, Mode, query_path, read_datasets
from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text, why_unreadable
from nxp.answers.nql import QueryToPaste

_OTHER: Final = "nxp check and commands"
_INTRODUCTION: Final = """\
# Saved queries to paste into Nexthink

For each query below: **Administration** → **NQL API queries** → **New NQL API query**. Type name
and description, and check that the id is exactly the one given here: it cannot be changed later.
Paste the text, and save. Your account needs the permission **Manage all NQL API queries**. Queries
that Nexthink has already need nothing, unless `nxp nql diff` shows another text.
"""
_COMMENT: Final = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pasting:
    """The queries in order, and what is wrong with those that cannot be pasted."""

    queries: tuple[QueryToPaste, ...]
    problems: tuple[str, ...]


def queries_to_paste(catalog: Path) -> Pasting:
    """Return the saved queries of datasets, then of syncs, actions and commands, each once.

    Raises:
        ConfigurationError: there is no such catalogue.
    """
    used: dict[str, list[str]] = {}
    problems: list[str] = []
    for query_id, user in _uses(catalog, problems):
        used.setdefault(query_id, []).append(user)
    found = []
    for query_id, users in used.items():
        path = query_path(catalog, query_id)
        try:
            text = read_catalogue_text(path).rstrip()
        except UNREADABLE as error:
            problems.append(f"queries/{path.name}: {why_unreadable(error)}")
        else:
            found.append(_query(query_id, text, dict.fromkeys(users)))
    return Pasting(tuple(found), tuple(dict.fromkeys(problems)))


def page(queries: Iterable[QueryToPaste]) -> str:
    """Return the page, in Markdown."""
    listed = list(queries)
    sections = (_section(number, len(listed), each) for number, each in enumerate(listed, 1))
    return "\n".join([_INTRODUCTION, *sections])


def _uses(catalog: Path, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each saved query that the catalogue uses, and what uses it; list broken files."""
    datasets = read_datasets(catalog)
    problems += datasets.listed
    # Inventories first: other datasets refer to them, and a first export needs one.
    ordered = sorted(datasets.found.items(), key=lambda item: item[1].mode is not Mode.SNAPSHOT)
    for name, dataset in ordered:
        for query_id in dataset.query_ids():
            yield query_id, f"dataset {name}"
    if any((catalog / SYNCS).glob("*.yaml")):
        # Half a second for databases and frames, only if there are syncs.
        from connectors.syncs import read_syncs  # noqa: PLC0415

        syncs = read_syncs(catalog)
        problems += syncs.listed
        for name, sync in syncs.found.items():
            if sync.verify:
                yield sync.verify.query_id, f"sync {name}"
    if any((catalog / ACTIONS).glob("*.yaml")):
        from connectors.actions import read_actions  # noqa: PLC0415 - httpx

        actions = read_actions(catalog)
        problems += actions.listed
        for name, action in actions.found.items():
            for query_id in action.query_ids:
                yield query_id, f"action {name}"
    for path in sorted((catalog / "queries").glob("*.nql")):
        yield f"#{path.stem}", _OTHER


def _query(query_id: str, text: str, users: Iterable[str]) -> QueryToPaste:
    named = [user for user in users if user != _OTHER] or [_OTHER]
    return QueryToPaste(
        query_id=query_id,
        name=query_id.removeprefix("#").replace("_", " ").capitalize(),
        description=_description(text) or f"For {', '.join(named)}.",
        used_by=tuple(named),
        nql=text,
    )


def _description(text: str) -> str:
    """Return the comment that a query begins with, on one line."""
    comment = _COMMENT.match(text)
    return " ".join(comment[1].split()) if comment else ""


def _section(number: int, count: int, query: QueryToPaste) -> str:
    # A fence is longer than any run of its character in the text.
    longest = max(map(len, re.findall("`+", query.nql)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"""\
## {number} of {count}: {query.query_id}

- Id: `{query.query_id}`
- Name: {query.name}
- Description: {query.description}
- For: {", ".join(query.used_by)}

{fence}
{query.nql}
{fence}
"""
