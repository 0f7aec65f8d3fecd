"""The data types of NQL: which operators each has, and how it is stored in a frame."""

import polars as pl

from nql.kinds import Kind

DATETIME = pl.Datetime("us", "UTC")


_EQUAL = frozenset({"=", "!="})
_ORDERED = frozenset({"=", "!=", "<", ">", "<=", ">="})
_LISTED = frozenset({"in", "!in"})
_CONTAINING = frozenset({"contains", "!contains"})

# The vendor's table of operators has no < and > for date-times, and no = for bytes.
OPERATORS: dict[Kind, frozenset[str]] = {
    Kind.STRING: _EQUAL | _LISTED | _CONTAINING,
    Kind.INT: _ORDERED | _LISTED,
    Kind.FLOAT: _ORDERED | _LISTED,
    Kind.BOOLEAN: _EQUAL,
    Kind.DATETIME: frozenset({"=", "!=", "<=", ">="}),
    Kind.ENUM: _EQUAL | _LISTED,
    Kind.BYTES: frozenset({"<", ">", "<=", ">="}),
    Kind.DURATION: _ORDERED,
    Kind.VERSION: _ORDERED,
    Kind.IP: _EQUAL | _LISTED,
    Kind.ARRAY: _CONTAINING,
}

NUMERIC = frozenset({Kind.INT, Kind.FLOAT, Kind.BYTES, Kind.DURATION})
# The vendor excludes date-times and bytes; that lists are excluded too is a guess.
GROUPABLE = frozenset(Kind) - {Kind.DATETIME, Kind.BYTES, Kind.ARRAY}
TEXTUAL = frozenset({Kind.STRING, Kind.ENUM, Kind.IP})

# Versions are stored as the text that results show, `[22631, 4169]`.
DTYPES: dict[Kind, pl.DataType] = {
    Kind.STRING: pl.String(),
    Kind.INT: pl.Int64(),
    Kind.FLOAT: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.DATETIME: DATETIME,
    Kind.ENUM: pl.String(),
    Kind.BYTES: pl.Int64(),
    Kind.DURATION: pl.Float64(),
    Kind.VERSION: pl.String(),
    Kind.IP: pl.String(),
    Kind.ARRAY: pl.List(pl.String()),
}
