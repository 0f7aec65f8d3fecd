"""docs/library.md: what the library has, by topic, and what its datasets need."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from math import ceil
from typing import Final

from connectors.catalogue import DatasetSpecification, Mode
from connectors.catalogue.specification import describe
from nxp.library.contents import Library, Part

COMMAND: Final = "python -m nxp.library > docs/library.md"
_BEGINNING: Final = f"""\
# The library of datasets

`nxp add` lists the library, `nxp add NAME…` copies datasets into the project, each with the saved
queries that it needs. This page is made from the library by
`{COMMAND}`, and a test compares it.

```console
$ nxp add boots logins                # datasets/boots.yaml, queries/boots.nql, …
$ nxp nql queries --to-paste          # what to paste into Nexthink, in order
$ nxp check                           # settings, files, and whether they fit together
$ nxp export boots logins
```

- `--topic NAME` adds all datasets of a topic, `--all` all of them; `--dry-run` only lists files.
- Equal files that are there already stay. If one was changed, nothing is written and the command
  ends with 2.
- What a dataset needs comes with it: a sync brings the dataset of its inventory, an action the
  campaign that it belongs to. Datasets that its columns refer to are named, not copied.
- `nxp add '#action_devices'` copies one saved query, for actions and syncs of your own.
- The files are yours afterwards: leave out columns (in the query too), or add some.

In the tables, `snapshot` is the inventory as it is; `window` are events between two instants;
`slices` are whole days of the tenant's zone, each number of days back with a saved query of its
own. `events`, `fine` (high-resolution samples), `inventory` and `summaries` say which retention of
the tenant applies (`NEXTHINK_TENANT_RETENTION`). Numbers of rows are rough estimates, to plan with:
count a day of your own tenant where it matters. What the stand-in tenant guesses about each table:
[sandbox.md](sandbox.md).

A window is exported once. Where rows change or arrive late (`lookback` in the file), it is exported
again every day until `lookback` is over: such a dataset says how many exports that makes a day. If
your tenant's daily limit is near, shorten `lookback`; what changes after it is then not seen.
"""
_WIDTH: Final = 100
_MODES: Final = {Mode.SNAPSHOT: "snapshot", Mode.WINDOW: "window", Mode.SLICES: "slices"}


def page(library: Library | None = None) -> str:
    """Return the text of docs/library.md."""
    library = library or Library()
    return "\n".join([_BEGINNING, *_datasets(library), *_others(library)])


def _datasets(library: Library) -> Iterator[str]:
    parts = [part for part in library.by_topic if part.dataset]
    for topic, group in groupby(parts, key=lambda part: part.topic):
        listed = list(group)
        yield f"## {topic.capitalize()}\n"
        yield "| dataset | one row is | how | retention | rows | permission |"
        yield "|---|---|---|---|---|---|"
        for part in listed:
            if part.dataset:
                yield _row(_short(part, part.dataset))
        yield ""
        for part in listed:
            if part.dataset:
                yield from _described(part, part.dataset)


def _short(part: Part, dataset: DatasetSpecification) -> list[str]:
    return [
        f"`{part.name}`",
        (dataset.grain or "").removeprefix("one row per "),
        _MODES[dataset.mode],
        dataset.retention_class,
        dataset.rows,
        dataset.permission,
    ]


def _described(part: Part, dataset: DatasetSpecification) -> Iterator[str]:
    yield from _wrapped(f"**{part.title}** (`{part.name}`): {dataset.description or ''}")
    said = [f"Rests on: {dataset.evidence.rstrip('.')}."] if dataset.evidence else []
    if part.wants:
        said.append(f"Refers to {', '.join(f'`{each}`' for each in part.wants)}.")
    if len(part.query_ids) > 1:
        said.append(f"Needs {len(part.query_ids)} saved queries.")
    if dataset.window and (late := dataset.window.lookback):
        exports = 1 + ceil(late / dataset.window.step)
        said.append(f"Late rows are waited for {describe(late)}: {exports} exports a day.")
    if personal := [f"`{column.name}`" for column in dataset.columns if column.personal]:
        said.append(f"Personal: {', '.join(personal)}.")
    yield from _wrapped(" ".join(said))
    yield ""


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _others(library: Library) -> Iterator[str]:
    yield "## Syncs, actions, notebooks and other queries\n"
    yield "They are added by name only. See [syncs.md](syncs.md), [acting.md](acting.md) and"
    yield "[notebook.md](notebook.md).\n"
    yield "| name | kind | what |"
    yield "|---|---|---|"
    for part in library.by_topic:
        if part.dataset is None:
            yield _row([f"`{part.name}`", part.kind, part.title])
    yield ""


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", "\\|").replace("->", "→") for cell in cells)
    return f"| {' | '.join(escaped)} |"
