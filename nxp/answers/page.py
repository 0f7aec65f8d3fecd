"""docs/connector.md: every operation of the connector, with its inputs and its answer's fields."""

from collections.abc import Iterable, Iterator
from typing import Final

from nxp.answers.operations import OPERATIONS, Operation
from nxp.answers.schemas import AnswerField, fields_of, schema_of
from nxp.answers.sources import FieldSource
from nxp.cli import build_app
from nxp.command_table import help_of

COMMAND: Final = "python -m nxp.answers > docs/connector.md"
_BEGINNING: Final = f"""\
# The connector, operation by operation

What each operation on a tenant takes and returns, and where every field comes from. This page is
made from the code by `{COMMAND}`. A test compares it, and calls every
operation on the sandbox to see each field in a real answer.

- Each operation is a command (`nxp …`), a method of `connectors.nexthink.client.NexthinkClient`
  and a Prefect task of `tasks.operations`. The tables describe what `--json` prints.
- `nxp schema answers OPERATION` prints the JSON Schema of an answer; without OPERATION, all names.
- A path such as `columns[].name` is the field `name` of each entry of the list `columns`.
- What it means to act, and what happens to personal data: [acting.md](acting.md),
  [enrichment.md](enrichment.md).

```console
$ nxp nql execute "#devices" --json                  # rows, with the columns' names and types
$ id=$(nxp nql export "#devices")                    # the id of a new export
$ nxp nql status "$id"                               # SUBMITTED, IN_PROGRESS, COMPLETED or ERROR
$ nxp nql download "$id" --to devices.csv            # checked, decompressed, its rows counted
$ nxp nql status "$id" --json --url                  # now with rows; the URL is a secret
```

| a field's source | means |
|---|---|
| `name` | the tenant sends it, under this name of its API |
| derived: … | the API does not send it; it follows from what is named |
| nxp | known to nxp itself: from its journal, the command or a file |
| not provided | always null, because the API does not have it |
"""
_GAPS: Final = """\
These fields are derived, or not provided; all others are the tenant's own answer, or nxp's. Beyond
fields: campaigns can be neither listed nor described, saved queries cannot be listed, and no
operation shows executions or responses, so they are read back by exporting saved queries.
"""
# Every command has them, and they change nothing about the operation.
_SHARED: Final = frozenset({"--tenant", "--json"})


def page() -> str:
    """Return the text of docs/connector.md."""
    chosen = [each for each in OPERATIONS.values() if each.requests]
    return "\n".join([_BEGINNING, *_overview(chosen), *_gaps(chosen), *_sections(chosen)])


def _overview(chosen: Iterable[Operation]) -> Iterator[str]:
    rows = (
        [
            f"[`nxp {each.command}`](#nxp-{each.command.replace(' ', '-')})",
            f"`{each.client}`" if each.client else "",
            f"`{each.task}`" if each.task else "",
            "<br>".join(f"`{request}`" for request in each.requests),
        ]
        for each in chosen
    )
    yield from _table(("command", "client method", "task", "request"), rows)


def _gaps(chosen: Iterable[Operation]) -> Iterator[str]:
    yield "## What the API does not give\n"
    yield _GAPS
    operations: dict[tuple[str, str], list[str]] = {}
    for operation in chosen:
        for field in fields_of(schema_of(operation)):
            if field.source in {FieldSource.DERIVED, FieldSource.NOT_PROVIDED}:
                key = (_instead(field), f"`{field.path.removeprefix('[].')}`")
                operations.setdefault(key, []).append(f"`{operation.command}`")
    paths: dict[tuple[str, str], list[str]] = {}
    for (instead, path), commands in operations.items():
        paths.setdefault((instead, ", ".join(commands)), []).append(path)
    rows = [[", ".join(found), commands, instead] for (instead, commands), found in paths.items()]
    # What is not there at all comes first.
    rows.sort(key=lambda row: not row[2].startswith(FieldSource.NOT_PROVIDED))
    yield from _table(("field", "operation", "instead"), rows)


def _instead(field: AnswerField) -> str:
    if field.source == FieldSource.NOT_PROVIDED:
        return f"{field.source}. {field.description}"
    return _source(field)


def _sections(chosen: Iterable[Operation]) -> Iterator[str]:
    app = build_app()
    for operation in chosen:
        group, *verb = operation.command.split()
        command = app[group][verb[0]] if verb else app[group]
        yield f"## nxp {operation.command}\n"
        yield f"{help_of(operation.command)}\n"
        inputs = [
            [
                _name(each.names, each.field_info.kind.name),
                each.parameter.help or ("Required." if each.required else ""),
            ]
            for each in command.assemble_argument_collection(parse_docstring=True)
            if each.show and not _SHARED & set(each.names)
        ]
        if inputs:
            yield from _table(("input", "meaning"), inputs)
        rows = (
            [f"`{field.path}`", field.type, _source(field), field.description]
            for field in fields_of(schema_of(operation))
        )
        yield from _table(("field of the answer", "type", "source", "meaning"), rows)


def _name(names: tuple[str, ...], kind: str) -> str:
    if kind == "KEYWORD_ONLY":
        return ", ".join(f"`{name}`" for name in names)
    return f"`{names[0].removeprefix('--').replace('-', '_').upper()}`"


def _source(field: AnswerField) -> str:
    match field.source:
        case FieldSource.API:
            return f"`{field.detail}`"
        case FieldSource.DERIVED:
            return f"derived: {field.detail}"
        case _:
            return field.source


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(names)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""
