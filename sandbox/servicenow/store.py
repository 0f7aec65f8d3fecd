"""The rows of the instance: found by query, changed while clients read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from threading import Lock

import polars as pl

from sandbox.estate import catalogue
from sandbox.estate.chance import hexadecimal, stream
from sandbox.servicenow.conditions import QueryContext, build_filter
from sandbox.servicenow.dates import WRITTEN
from sandbox.servicenow.encoded_query import EncodedQuery, SortField
from sandbox.servicenow.schema import TABLES, FieldType, resolve

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.CURRENCY})
# What an update changes besides the fields that the instance maintains.
_CHANGING: dict[str, tuple[str, Sequence[str]]] = {
    "cmdb_ci_computer": ("install_status", ("1", "3", "6", "7")),
    "alm_hardware": ("install_status", ("1", "3", "6", "7")),
    "sys_user": ("title", catalogue.JOB_TITLES),
}
_TAGS = ("sys_tags", ("reviewed", "audited"))


class View:
    """Rows of one table; columns behind references are joined on demand."""

    def __init__(self, tables: dict[str, pl.DataFrame], table: str, rows: pl.DataFrame) -> None:
        """Start with some rows of a table."""
        self._tables = tables
        self._table = TABLES[table]
        self.rows = rows

    def walk(self, path: str) -> pl.Expr:
        """Return the column at the end of a dotted path."""
        if path not in self.rows.columns:
            self.rows = self.rows.with_columns(self._walked(path))
        return pl.col(path)

    def values(self, path: str) -> list[str]:
        """Return the values at the end of a dotted path."""
        column = self.walk(path)
        return self.rows.select(column).to_series().to_list()

    def _walked(self, path: str) -> pl.Series:
        fields = resolve(self._table, path)
        if fields is None:
            raise KeyError(path)
        keys = self.rows[fields[0].name]
        for reference, field in pairwise(fields):
            target = self._tables[reference.target].select(
                pl.col("sys_id").alias("key"), pl.col(field.name).alias("value")
            )
            if keys.len() < target.height // 4:
                # A page needs only a few rows of a large table.
                target = target.filter(pl.col("key").is_in(keys.unique().implode()))
            found = pl.DataFrame({"key": keys}).join(
                target, on="key", how="left", maintain_order="left"
            )
            # A missing value, or a reference to a deleted row.
            keys = found["value"].fill_null("")
        return keys.alias(path)


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of an answer, and the total number of rows."""

    view: View
    total: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids of the rows that a change touched."""

    updated: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


class TableStore:
    """All tables. Thread-safe: a reader sees the tables of one moment."""

    def __init__(self, tables: dict[str, pl.DataFrame], seed: int) -> None:
        """Start with the tables, each ordered by id."""
        self._tables = tables
        self._seed = seed
        self._changes = 0
        self._lock = Lock()

    def rows(self, table: str) -> pl.DataFrame:
        """Return a table as it is now."""
        return self._tables[table].drop("_lying")

    def record(self, table: str, sys_id: str) -> View | None:
        """Return one row, or None if there is none."""
        tables = self._tables
        found = tables[table].filter(pl.col("sys_id") == sys_id)
        return View(tables, table, found) if found.height else None

    def find(
        self, table: str, query: EncodedQuery, reader: QueryContext, span: range, *, strict: bool
    ) -> RowPage:
        """Return the rows of a span; if strict, an invalid query finds nothing."""
        tables = self._tables
        view = View(tables, table, tables[table])
        conditions = build_filter(query, TABLES[table], view.walk, reader)
        found = view.rows
        if conditions.keep is not None:
            found = found.filter(conditions.keep)
        if strict and conditions.dropped:
            found = found.clear()
        order = self._order(View(tables, table, found), table, query.orders)
        if order is None:
            rows = found.slice(span.start, len(span))
        else:
            rows = found.select(pl.all().gather(order.slice(span.start, len(span))))
        return RowPage(View(tables, table, rows), found.height)

    @staticmethod
    def _order(view: View, table: str, orders: Sequence[SortField]) -> pl.Series | None:
        """Return the row numbers in the requested order; ties come as stored."""
        keys: list[pl.Expr] = []
        descending: list[bool] = []
        for order in orders:
            fields = resolve(TABLES[table], order.path)
            if fields is None:
                continue
            if fields == [TABLES[table].fields["sys_id"]] and not (keys or order.descending):
                # The tables are stored in this order.
                return None
            path, last = order.path, fields[-1]
            if last.target:
                path = f"{path}.{TABLES[last.target].display}"
            column = view.walk(path)
            if last.kind in _NUMBERS:
                keys.append(column.cast(pl.Float64, strict=False).fill_null(float("-inf")))
            else:
                keys.append(column.str.to_lowercase())
            descending.append(order.descending)
        keys.append(pl.col("_lying"))
        return view.rows.select(pl.arg_sort_by(keys, descending=[*descending, False])).to_series()

    def change(
        self, table: str, now: datetime, *, updates: int, inserts: int, deletes: int
    ) -> Changes:
        """Change rows; a seed always gives the same sequence of changes."""
        with self._lock:
            self._changes += 1
            changed, changes = self._changed(table, now, updates, inserts, deletes)
            self._tables = self._tables | {table: changed}
        return changes

    def _changed(
        self, table: str, now: datetime, updates: int, inserts: int, deletes: int
    ) -> tuple[pl.DataFrame, Changes]:
        rng = stream(self._seed, "servicenow", "change", self._changes)
        rows = self._tables[table]
        chosen = rng.permutation(rows.height)
        role = pl.Series("_role", ["kept"] * rows.height)
        role[chosen[:deletes].tolist()] = "gone"
        role[chosen[deletes : deletes + updates].tolist()] = "new"
        marked = rows.with_columns(role)
        gone = marked.filter(pl.col("_role") == "gone")["sys_id"]
        touched = pl.col("_role") == "new"
        name, values = _CHANGING.get(table, _TAGS)
        value = pl.Series([values[i] for i in rng.integers(0, len(values), rows.height)])
        mod_count = (pl.col("sys_mod_count").cast(pl.Int64) + 1).cast(pl.String)
        written = pl.lit(now.astimezone(UTC).strftime(WRITTEN))
        updated = marked.filter(touched)["sys_id"]
        changed = marked.with_columns(
            _where(touched, name, value),
            _where(touched, "sys_mod_count", mod_count),
            _where(touched, "sys_updated_on", written),
            _where(touched, "sys_updated_by", pl.lit("admin")),
            _where(touched, "_lying", pl.Series(rng.random(rows.height))),
        ).filter(pl.col("_role") != "gone")
        changed = changed.drop("_role")
        # A new row is a copy of an existing one.
        inserts = inserts if changed.height else 0
        like = changed[rng.integers(0, max(changed.height, 1), inserts).tolist()]
        ids = hexadecimal(rng, inserts, 32).cast(pl.String)
        display = TABLES[table].display
        added = like.with_columns(
            ids.alias("sys_id"),
            (pl.lit("NEW-") + pl.Series(ids).str.slice(0, 8)).alias(display),
            pl.lit("0").alias("sys_mod_count"),
            written.alias("sys_created_on"),
            written.alias("sys_updated_on"),
            pl.lit("import").alias("sys_created_by"),
            pl.Series("_lying", rng.random(inserts)),
        )
        merged = pl.concat([changed, added]).sort("sys_id")
        return merged, Changes(tuple(updated), tuple(ids), tuple(gone))


def _where(touched: pl.Expr, name: str, value: pl.Expr | pl.Series) -> pl.Expr:
    return pl.when(touched).then(value).otherwise(name).alias(name)
