"""Rows as the Table API returns them: every value a text, references as objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from sandbox.servicenow.dates import WRITTEN
from sandbox.servicenow.schema import TABLES, DictionaryField, FieldType, TableSchema, resolve
from sandbox.servicenow.store import View


@dataclass(frozen=True, slots=True)
class Style:
    """How an answer is to be written."""

    # `false`, `true` or `all`: values, display values, or both.
    display: str
    with_links: bool
    # The part of a link before the table's name.
    tables_url: str
    zone: ZoneInfo


def known_paths(table: TableSchema, asked: str) -> list[str]:
    """Return the requested fields that exist; all fields if none are requested."""
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if not names:
        return list(table.fields)
    return [name for name in dict.fromkeys(names) if resolve(table, name) is not None]


def render(
    view: View, table: TableSchema, paths: Sequence[str], style: Style
) -> list[dict[str, Any]]:
    """Return the rows as JSON objects."""
    columns = [_cells(view, table, path, style) for path in paths]
    if not columns:
        # None of the requested fields exists: the rows are returned empty.
        return [{} for _ in range(view.rows.height)]
    return [dict(zip(paths, row, strict=True)) for row in zip(*columns, strict=True)]


def _cells(view: View, table: TableSchema, path: str, style: Style) -> list[Any]:
    fields = resolve(table, path) or []
    last = fields[-1]
    values = view.values(path)
    if style.display == "false" and not (last.target and style.with_links):
        return list(values)
    if last.target:
        return _references(view, path, last, values, style)
    shown = _shown(last, values, style.zone)
    if style.display == "true":
        return list(shown)
    pairs = zip(shown, values, strict=True)
    return [{"display_value": seen, "value": value} for seen, value in pairs]


def _references(
    view: View, path: str, field: DictionaryField, values: list[str], style: Style
) -> list[Any]:
    linked = style.with_links
    base = f"{style.tables_url}/{field.target}"
    if style.display == "false":
        return [{"link": f"{base}/{v}", "value": v} if v else "" for v in values]
    names = view.values(f"{path}.{TABLES[field.target].display}")
    if style.display == "true":
        if not linked:
            return list(names)
        pairs = zip(names, values, strict=True)
        return [{"display_value": n, "link": f"{base}/{v}"} if v else "" for n, v in pairs]
    made = []
    for name, value in zip(names, values, strict=True):
        cell = {"display_value": name, "value": value}
        if linked and value:
            cell["link"] = f"{base}/{value}"
        made.append(cell)
    return made


def _shown(field: DictionaryField, values: list[str], zone: ZoneInfo) -> list[str]:
    """Return the display values."""
    match field.kind:
        case FieldType.CHOICE:
            return [field.choices.get(value, value) for value in values]
        case FieldType.DATETIME:
            return _local(values, zone)
        case FieldType.INTEGER:
            return [f"{int(value):,}" if value else "" for value in values]
        case FieldType.CURRENCY:
            return [f"${float(value):,.2f}" if value else "" for value in values]
        case _:
            return values


def _local(values: list[str], zone: ZoneInfo) -> list[str]:
    instants = pl.Series(values, dtype=pl.String).str.to_datetime(
        WRITTEN, strict=False, time_zone="UTC"
    )
    local = instants.dt.convert_time_zone(zone.key).dt.to_string(WRITTEN)
    return local.fill_null("").to_list()
