"""Converts the rows of a feed to the columns of their table and links them to objects."""

import json
from collections.abc import Mapping

import polars as pl

from sandbox.model.kinds import DATETIME, DTYPES
from sandbox.model.tables import Table
from sandbox.nql.timeframe import Frame

# Fields that hold a JSON object; dynamic tables have its members as fields.
_JSON = ("outputs", "answers")
# Keys by which a row may name its object: the actions API uses collector ids and SIDs.
_KEYS = {
    "device": ("device.uid", "device.collector.uid"),
    "user": ("user.uid", "user.sid"),
}


def fed_rows(
    fed: pl.DataFrame | None,
    table: Table,
    columns: tuple[str, ...],
    frame: Frame,
    objects: Mapping[str, pl.DataFrame],
    *,
    newest: bool | None,
) -> pl.DataFrame:
    """Return the rows in a time frame: own columns typed, objects as `#device` and `#user`."""
    wanted = [path for path in columns if not path.startswith("#") and not table.owner(path)]
    if fed is None:
        fed = pl.DataFrame()
    links = [_link(fed, link, objects[link]) for link in table.links]
    identity = f"{table.namespace}.nql_id"
    made = [
        _own(fed, path, table) for path in dict.fromkeys((*wanted, *filter(None, [table.time])))
    ]
    rows = pl.DataFrame([*made, *links])
    if table.identity is not None:
        held = fed[identity] if identity in fed.columns else pl.Series([], dtype=pl.String)
        rows = rows.filter((held.str.to_lowercase() == table.identity).fill_null(value=False))
    if not table.time:
        return rows
    time = pl.col(table.time)
    first, last = (pl.lit(t, dtype=DATETIME) for t in (frame.start, frame.end))
    rows = rows.filter(time >= first, time <= last)
    return rows.sort(table.time, descending=bool(newest), maintain_order=True)


def _own(fed: pl.DataFrame, path: str, table: Table) -> pl.Series:
    dtype = DTYPES[table.columns[path].kind]
    for whole in (f"{table.prefix}.{name}" for name in _JSON):
        if path.startswith(f"{whole}.") and whole in fed.columns:
            name = json.dumps(path.removeprefix(f"{whole}."), ensure_ascii=False)
            value = pl.col(whole).str.json_path_match(f"$[{name}]")
            return fed.select(value.cast(pl.String).alias(path)).to_series()
    if path not in fed.columns:
        return pl.Series(path, [None] * fed.height, dtype=dtype)
    return fed[path].cast(dtype)


def _link(fed: pl.DataFrame, entity: str, objects: pl.DataFrame) -> pl.Series:
    """Return the row of the object that each row of the feed names, null if it is unknown."""
    name = f"#{entity}"
    key = next((key for key in _KEYS.get(entity, ()) if key in fed.columns), None)
    if key is None:
        return pl.Series(name, [None] * fed.height, dtype=pl.Int64)
    numbered = objects.select(pl.col(key).alias("#key"), pl.int_range(pl.len()).alias(name))
    joined = fed.select(pl.col(key).cast(pl.String).alias("#key")).join(
        numbered, on="#key", how="left", maintain_order="left"
    )
    return joined[name]
