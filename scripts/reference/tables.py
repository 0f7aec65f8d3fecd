"""docs/reference/tables.md: the columns of the lake's records, and the ledger's tables."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from sqlalchemy import Column, Table

from connectors.lake.record_columns import PRIVATE, RECORDS
from connectors.ledger import action_tables, enrichment_tables, tables
from scripts.reference.markdown import code, made_by, table
from scripts.reference.meanings import EVERY_ROW, meaning

_BEGINNING: Final = f"""\
# Tables of the lake and the ledger

Every column of what runs write next to the data, for queries about runs, rejected rows and changes;
and the ledger's tables, for backups and faults. {made_by("tables")}

## Every landed row

A dataset's own columns are in its file of the catalogue (`nxp datasets NAME`). Each row has in
addition:
"""
_RECORDS: Final = """
## Records of runs

Parquet next to the data ([lake](../lake.md#records-of-runs)); `nxp sql` has `_runs` and `_rejects`
as views, the changes of syncs as `_changes` and those of actions as `_targets`. All files of a kind
have all columns; a value that a kind of run does not have is null. Types:
text, whole (`int64`), real (`double`), moment (`timestamp[us, UTC]`), texts (a
list). Counts by name (`values`, `codes`, `excluded`, `outcomes`, …) are JSON text.
"""
_LEDGER: Final = """
## The ledger

Internal: a release may change every table, and migrates it at the first command. Read it by `nxp
runs`, `nxp state show` and `nxp datasets`, which stay. Date-times are UTC; columns of the primary
key are marked.
"""
_PARTS: Final = (tables, enrichment_tables, action_tables)
_NAMED: Final = re.compile(r'^(\w+) = Table\($|^ +Column\("(\w+)"')


def page() -> str:
    """Return the text of docs/reference/tables.md."""
    rows = ((code(name), kind, text) for name, (kind, text) in EVERY_ROW.items())
    lines = [_BEGINNING, *table(("column", "type", "meaning"), rows), _RECORDS]
    for kind in RECORDS:
        lines += _record(kind)
    lines.append(_LEDGER)
    for of in tables.metadata.tables.values():
        lines += _ledger_table(of)
    return "\n".join(lines).rstrip() + "\n"


def _record(kind: str) -> Iterator[str]:
    private = kind in PRIVATE or any(kind.startswith(f"{name}/") for name in PRIVATE)
    yield f"### {kind.replace('/', ' of one ')}\n"
    if private:
        yield "May hold personal data: readable only by its owner.\n"
    rows = ((code(name), of, meaning(kind, name)) for name, of in RECORDS[kind].items())
    yield from table(("column", "type", "meaning"), rows)
    yield ""


def _ledger_table(of: Table) -> Iterator[str]:
    comments = _comments()
    yield f"### {of.name}\n"
    if text := comments.get(("", of.name)):
        yield f"{text}\n"
    rows = (
        (_name(each), _type(each), comments.get((of.name, each.name), "")) for each in of.columns
    )
    yield from table(("column", "type", "meaning"), rows)
    yield ""


def _name(column: "Column[object]") -> str:
    return f"{code(column.name)} (key)" if column.primary_key else code(column.name)


def _type(column: "Column[object]") -> str:
    kind = type(column.type).__name__.removeprefix("UTC")
    return kind if column.nullable else f"{kind}, not null"


@cache
def _comments() -> Mapping[tuple[str, str], str]:
    """Return the comments above tables (of no table) and above columns, in the code."""
    found: dict[tuple[str, str], str] = {}
    for part in _PARTS:
        within, above = "", []
        for line in inspect.getsource(importlib.import_module(part.__name__)).splitlines():
            if line.lstrip().startswith("# "):
                above.append(line.strip("# "))
                continue
            if named := _NAMED.match(line):
                variable, column = named.groups()
                if variable:
                    within = getattr(part, variable).name
                if above:
                    found["" if variable else within, within if variable else column] = " ".join(
                        above
                    )
            above = []
    return found
