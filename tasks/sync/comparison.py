"""Comparing what was read back with what is known to have been written, for any number of objects.

Both sides go through files, and DuckDB joins them in bounded memory.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl
import pyarrow.parquet as pq

from connectors.ledger.enriched import KNOWN, ValueState
from connectors.locked_duckdb import CLOSED
from connectors.quoting import quoted_text
from tasks.sync.objects import field_of
from tasks.sync.readback import KEY, kept_as_compared, shown_as_compared
from tasks.sync.wanted import EMPTY

# What stood in the field before ours is still there, or nothing is.
DIFFERS: Final = "read back differs"
THEIRS: Final = "set by others"
NOT_FOUND: Final = "not found"
COMPARED: Final = "compared"
# What may be there instead, if a value was sent and no answer came.
COMPARED_OPEN: Final = "compared_open"
# What stood there before.
COMPARED_STOOD: Final = "compared_stood"
# Sent so lately that it need not show yet.
IS_YOUNG: Final = "is_young"
# Whether what stood there before is what was read.
IS_BACK: Final = "is_back"
REASON: Final = "reason"

# What DuckDB may use before it spills to disk.
_MEMORY: Final = "512MB"

# A key that matches several objects is confirmed by any of them: which one the tenant writes is
# not documented. A field that was emptied counts as empty if its object is gone.
_DIFFERING: Final = """
COPY (
  WITH shown AS (UNPIVOT read_back ON COLUMNS(* EXCLUDE key) INTO NAME field VALUE shown),
  seen AS (
    SELECT known.key, known.field,
           bool_or(shown.shown IN (known.compared, known.compared_open)) AS is_there,
           bool_or(shown.shown = known.compared_stood AND shown.shown <> '') AS is_back,
           bool_or(shown.shown <> '' AND shown.shown IS DISTINCT FROM known.compared_stood)
             AS is_theirs
    FROM known JOIN shown ON shown.key = known.key AND shown.field = known.field
    GROUP BY known.key, known.field
  )
  SELECT known.* EXCLUDE (compared, compared_open, compared_stood),
         coalesce(seen.is_back, false) AS is_back,
         CASE WHEN found.key IS NULL THEN $not_found
         WHEN seen.is_theirs THEN $theirs ELSE $differs END AS reason
  FROM known LEFT JOIN seen ON seen.key = known.key AND seen.field = known.field
  LEFT JOIN (SELECT DISTINCT key FROM read_back) AS found ON found.key = known.key
  WHERE NOT coalesce(seen.is_there, false)
    AND NOT (known.compared = '' AND found.key IS NULL)
  ORDER BY known.key, known.field
) TO {path} (FORMAT parquet)
"""
_CONFIRMED: Final = """
COPY (
  SELECT known.* EXCLUDE (compared, compared_open, compared_stood, is_young)
  FROM known ANTI JOIN {differing} AS other ON other.key = known.key AND other.field = known.field
  WHERE known.attempts > 0 AND known.state = 'acknowledged'
  ORDER BY known.key, known.field
) TO {path} (FORMAT parquet)
"""
# A value that was sent and not answered, and is there: as good as acknowledged. Without a code it
# was in doubt after a kill; other codes say that the value was refused, or not read.
_SETTLED: Final = """
COPY (
  WITH shown AS (UNPIVOT read_back ON COLUMNS(* EXCLUDE key) INTO NAME field VALUE shown)
  SELECT known.* EXCLUDE (compared, compared_open, compared_stood, is_young)
  FROM known SEMI JOIN shown ON shown.key = known.key AND shown.field = known.field
    AND shown.shown = known.compared_open
  WHERE known.state = 'open' AND coalesce(known.code, 'NO_ANSWER') = 'NO_ANSWER'
  ORDER BY known.key, known.field
) TO {path} (FORMAT parquet)
"""
# Objects without any lost value left.
_SETTLED_OBJECTS: Final = """
SELECT count(*) FROM (
  SELECT known.key FROM known LEFT JOIN read_parquet($settled) AS found
    ON found.key = known.key AND found.field = known.field
  WHERE known.state = 'open' AND coalesce(known.code, 'NO_ANSWER') = 'NO_ANSWER'
  GROUP BY known.key HAVING bool_and(found.key IS NOT NULL)
)
"""
_KEYS: Final = """
SELECT count(DISTINCT known.key), count(DISTINCT known.key) FILTER (found.key IS NOT NULL)
FROM known LEFT JOIN (SELECT DISTINCT key FROM read_back) AS found ON found.key = known.key
WHERE known.compared <> ''
"""
_READ: Final = "SELECT count(*), count(DISTINCT key) FROM read_back"
_KNOWN_FILE, _SHOWN_FILE = "known.parquet", "shown.parquet"
_DIFFERING_FILE, _CONFIRMED_FILE = "differing.parquet", "confirmed.parquet"
_SETTLED_FILE = "settled.parquet"


@dataclass(frozen=True, slots=True)
class ReadbackComparison:
    """How what was read back compares: `rows` came, with `objects` distinct keys.

    Of the known keys `keys` have a value, and `found` of them were read back. `values`, `differs`
    and `not_found` count acknowledged values. The file `differing` has all known rows that differ,
    with the reason; `confirmed` those that are right now after failed attempts; `settled` those
    that were not answered and are there, of `settled_objects` objects; all are Parquet.
    `theirs` were set by others since, and `young` differ but need not show yet.
    """

    rows: int
    objects: int
    keys: int
    found: int
    values: int
    differs: int
    not_found: int
    differing: Path
    confirmed: Path
    settled: Path
    settled_values: int
    settled_objects: int
    theirs: int = 0
    young: int = 0


def compare(
    known: Iterable[pl.DataFrame],
    shown: Iterable[pl.DataFrame],
    *,
    fields: list[str],
    folder: Path,
    shows_since: datetime | None = None,
) -> ReadbackComparison:
    """Compare what is known to have been written with what was read back.

    Args:
        known: rows of KNOWN, of these fields, that have a value or are open.
        shown: what was read back, as `readback.read_back` returns it.
        fields: the names of the fields.
        folder: where files may be left; the caller deletes it.
        shows_since: what was sent after it need not show yet; None: everything does.
    """
    forms = (COMPARED, COMPARED_OPEN, COMPARED_STOOD)
    columns = {**KNOWN, **dict.fromkeys(forms, pl.String), IS_YOUNG: pl.Boolean}
    _write((_comparable(page, shows_since) for page in known), columns, folder / _KNOWN_FILE)
    trimmed = (page.with_columns(shown_as_compared(pl.col(fields))) for page in shown)
    _write(trimmed, dict.fromkeys([KEY, *fields], pl.String), folder / _SHOWN_FILE)
    counted = _select(folder)
    settled, differing = folder / _SETTLED_FILE, folder / _DIFFERING_FILE
    is_taken = pl.col("state") == ValueState.ACKNOWLEDGED.value
    taken = pl.scan_parquet(folder / _KNOWN_FILE).filter(is_taken).select(pl.len())
    reasons = pl.scan_parquet(differing).filter(is_taken).group_by(REASON, IS_YOUNG).len().collect()
    count = {reason: number for reason, is_young, number in reasons.iter_rows() if not is_young}
    return ReadbackComparison(
        rows=counted.rows,
        objects=counted.objects,
        keys=counted.keys,
        found=counted.found,
        values=taken.collect().item(),
        differs=count.get(DIFFERS, 0),
        not_found=count.get(NOT_FOUND, 0),
        theirs=count.get(THEIRS, 0),
        young=sum(number for _, is_young, number in reasons.iter_rows() if is_young),
        differing=differing,
        confirmed=folder / _CONFIRMED_FILE,
        settled=settled,
        settled_values=pq.ParquetFile(settled).metadata.num_rows,
        settled_objects=counted.settled_objects,
    )


class _Counted(NamedTuple):
    """What was counted while the files of a comparison were written: see ReadbackComparison."""

    rows: int
    objects: int
    keys: int
    found: int
    settled_objects: int


def _select(folder: Path) -> _Counted:
    """Write what differs, what is right now and what is settled as files, and count the rest."""
    settings = {
        **CLOSED,
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": "false",
    }
    with closing(duckdb.connect(":memory:", config=settings)) as connection:
        for name, file in (("known", _KNOWN_FILE), ("read_back", _SHOWN_FILE)):
            connection.read_parquet(str(folder / file)).create_view(name)
        words = {"not_found": NOT_FOUND, "differs": DIFFERS, "theirs": THEIRS}
        differing, confirmed, settled = (
            quoted_text(str(folder / file))
            for file in (_DIFFERING_FILE, _CONFIRMED_FILE, _SETTLED_FILE)
        )
        connection.execute(_DIFFERING.format(path=differing), words)
        connection.execute(_CONFIRMED.format(differing=differing, path=confirmed))
        connection.execute(_SETTLED.format(path=settled))
        in_file = {"settled": str(folder / _SETTLED_FILE)}
        (settled_objects,) = connection.execute(_SETTLED_OBJECTS, in_file).fetchone() or (0,)
        rows, objects = connection.execute(_READ).fetchone() or (0, 0)
        keys, found = connection.execute(_KEYS).fetchone() or (0, 0)
    return _Counted(rows, objects, keys, found, settled_objects)


def _comparable(page: pl.DataFrame, shows_since: datetime | None) -> pl.DataFrame:
    """Add the form in which each value is compared, empty if none is known; and IS_YOUNG."""
    is_open = pl.col("state") == ValueState.OPEN.value
    since = pl.lit(shows_since, KNOWN["tried_at"])
    sent_at = pl.when(is_open).then("tried_at").otherwise("acknowledged_at")
    page = page.with_columns(
        (sent_at > since).fill_null(value=False).alias(IS_YOUNG),
        _open=pl.when(is_open).then("open_value"),
    )
    parts = [
        part.with_columns(
            kept_as_compared(part["value"].fill_null(EMPTY), field_of(name)).alias(COMPARED),
            kept_as_compared(part["_open"], field_of(name)).alias(COMPARED_OPEN),
            kept_as_compared(part["stood"], field_of(name)).alias(COMPARED_STOOD),
        )
        for (name,), part in page.partition_by("field", as_dict=True).items()
    ]
    if parts:
        return pl.concat(parts)
    forms = (COMPARED, COMPARED_OPEN, COMPARED_STOOD)
    return page.with_columns(pl.lit("").alias(name) for name in forms)


def _write(pages: Iterable[pl.DataFrame], schema: dict[str, Any], path: Path) -> None:
    with pq.ParquetWriter(path, pl.DataFrame(schema=schema).to_arrow().schema) as writer:
        for page in pages:
            typed = page.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
            writer.write_table(typed.to_arrow())
