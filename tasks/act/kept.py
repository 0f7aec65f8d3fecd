"""Bringing the lake's rows about targets (`_targets`) up to what the journal knows of them."""

import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake import Lake
from connectors.lake.record_columns import ACTION_CHANGES
from connectors.lake.records import rewrite_record
from connectors.lake.stores import StoredFile
from connectors.ledger.action_requests import ActionRequest
from connectors.ledger.actions import Actions

KEY: Final = ("intent_id", "target")
KNOWN: Final = (
    *("state", "request_id", "execution_id", "code"),
    *("status", "details", "answers", "status_at"),
)
_AFTER: Final = "_after"


def show_in_lake(lake: Lake, journal: Actions, requests: Iterable[ActionRequest]) -> None:
    """Rewrite the files of `_targets` that show another outcome than the journal has.

    A run writes its file when it ends, and outcomes arrive later.

    Args:
        lake: the tenant's lake.
        journal: what is known now.
        requests: those to compare. Requests of raw commands have no file.
    """
    by_action: dict[str, list[ActionRequest]] = {}
    for request in requests:
        if request.action and request.created_at:
            by_action.setdefault(request.action, []).append(request)
    for action, some in by_action.items():
        known = pl.concat([journal.targets(intent_id=each.intent_id) for each in some])
        since = min(each.created_at for each in some if each.created_at)
        bring_up_to_date(lake, action, known, since.date())


def bring_up_to_date(lake: Lake, action: str, known: pl.DataFrame, since: date) -> set[str]:
    """Rewrite the files of an action whose rows differ from the journal's.

    Args:
        lake: the tenant's lake.
        action: the action's name in the catalogue.
        known: rows of the journal.
        since: the first day on which a file about them can have been written.

    Returns:
        The ids of the requests that files have. A run that resumes a plan adds only the others:
        otherwise a target would be there twice.
    """
    found: set[str] = set()
    for file in _files(lake, action, since):
        found |= _bring_up_to_date(lake, file, known)
    return found


def _files(lake: Lake, action: str, since: date) -> Iterator[StoredFile]:
    """Yield the files that runs of an action have written since a day."""
    folder = f"{ACTION_CHANGES}={action}"
    for file in lake.store.files(folder):
        day = file.path.removeprefix(f"{folder}/date=").partition("/")[0]
        if day >= since.isoformat() and file.path.endswith(".parquet"):
            yield file


def _bring_up_to_date(lake: Lake, file: StoredFile, known: pl.DataFrame) -> set[str]:
    found = lake.store.read(file.path)
    if found is None:
        return set()
    try:
        table = pq.read_table(io.BytesIO(found[0]))
    except pa.ArrowException:
        # A damaged file is no reason to lose what is known now: nxp sql names it.
        return set()
    rows = pl.DataFrame(table)
    newer = moved_on(rows, known)
    if not newer.equals(rows):
        kept = newer.to_arrow().replace_schema_metadata(table.schema.metadata)
        rewrite_record(lake, file, found[1], kept)
    return set(rows["intent_id"].drop_nulls())


def moved_on(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return rows about targets with what is known of them now; others stay as they are."""
    columns = [name for name in KNOWN if name in known.columns and name in rows.columns]
    fresh = known.select(*KEY, *columns).unique(KEY, keep="last").with_columns(there=pl.lit(True))
    both = rows.join(fresh, on=KEY, how="left", suffix=_AFTER, maintain_order="left")
    return both.with_columns(
        pl.when("there")
        .then(pl.col(name + _AFTER).cast(rows.schema[name]))
        .otherwise(name)
        .alias(name)
        for name in columns
    ).select(rows.columns)
