"""The pieces in which a plan is made: ranges of keys with a limited number of known rows."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from connectors.errors import DataRefusedError
from connectors.ledger.enriched import KNOWN
from tasks.sync.draft import Draft
from tasks.sync.planning import Planning
from tasks.sync.wanted import WantedRange

# Known rows in memory at a time: about 200 MB, most of it while they are read.
KNOWN_ROWS: Final = 200_000
# PostgreSQL's index can hold 2,704 bytes of tenant, sync, key and field.
LONGEST_KEY_BYTES: Final = 1_024


def pieces(
    planning: Planning, draft: Draft, wanted: WantedRange, *, is_whole: bool
) -> Iterator[tuple[WantedRange, pl.DataFrame]]:
    """Cut a range into pieces of limited numbers of known rows, and read those rows.

    For a pull of changes only the wanted keys are read, and what is not acknowledged.
    """
    ledger, sync = planning.ledger.enriched, planning.sync
    for after, up_to in ranges(planning, draft, wanted, settled=is_whole):
        piece = _part(wanted, after, up_to)
        if not draft.known.keys:
            known = pl.DataFrame(schema=dict(KNOWN))
        elif is_whole:
            known = ledger.read(sync, after, up_to)
        else:
            unsettled = ledger.read(sync, after, up_to, settled=False)
            known = ledger.read_keys(sync, piece.keys["key"])
            known = pl.concat([known, unsettled]).unique(["key", "field"])
        yield piece, known


def ranges(
    planning: Planning, draft: Draft, wanted: WantedRange, *, settled: bool
) -> Iterator[tuple[str | None, str | None]]:
    """Yield bounds within a range, so that each part has at most KNOWN_ROWS known rows.

    With `settled=False` only rows that are not acknowledged count.
    """
    after = wanted.after
    while draft.known.keys:
        up_to = planning.ledger.enriched.key_at(
            planning.sync, after, wanted.up_to, KNOWN_ROWS, settled=settled
        )
        if up_to is None:
            break
        yield after, up_to
        after = up_to
    yield after, wanted.up_to


def _part(wanted: WantedRange, after: str | None, up_to: str | None) -> WantedRange:
    listed = wanted.listed
    if listed is not None:
        listed = _cut(listed.alias("key").to_frame(), after, up_to).to_series()
    return WantedRange(
        after, up_to, _cut(wanted.keys, after, up_to), _cut(wanted.rows, after, up_to), listed
    )


def _cut(frame: pl.DataFrame, after: str | None, up_to: str | None) -> pl.DataFrame:
    if after is not None:
        frame = frame.filter(pl.col("key") > after)
    if up_to is not None:
        frame = frame.filter(pl.col("key") <= up_to)
    return frame


def check_texts(sync: str, wanted: WantedRange) -> None:
    """Raise unless the ledger can keep all keys and values once they have been sent.

    Raises:
        DataRefusedError: some have a NUL character, or keys are too long; with their number.
    """
    texts = [wanted.keys["key"], wanted.keys["identity"], wanted.rows["value"]]
    nul = sum(int(text.str.contains("\0", literal=True).sum()) for text in texts)
    if nul:
        raise DataRefusedError(
            f"{sync}: {nul:,} keys or values have a NUL character, which the ledger cannot keep: "
            "remove it in the sync's SELECT"
        )
    long = int((wanted.keys["key"].str.len_bytes() > LONGEST_KEY_BYTES).sum())
    if long:
        raise DataRefusedError(
            f"{sync}: {long:,} keys are longer than {LONGEST_KEY_BYTES:,} bytes: correct the "
            "identifying column"
        )
