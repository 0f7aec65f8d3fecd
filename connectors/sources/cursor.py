"""How far an incremental pull has come: a moment, and which rows around it are known.

The next pull reads again what changed shortly before that moment, since a transaction may commit
after a later one, and leaves out rows that have not changed. Rows are recognised by a digest.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel

from connectors.sources.texts import as_text

DIGEST_BYTES = 8
# About a megabyte of cursor. If there are more rows around the moment, some come again with every
# pull until there is a newer moment.
KNOWN_ROWS = 100_000
# Why a cursor that was kept cannot be used.
UNREADABLE = "is damaged, of another version, or of another query or address"
IN_FUTURE = "is later than every row"
MIXED = "cannot be used while the column holds values of several types: convert them in the query"
# These change how rows are requested, not which.
WITHOUT_EFFECT = {"page_rows", "overlap"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a pull: `until` as the source writes it, and the rows known around it."""

    specification: str
    until: str
    known: frozenset[bytes]

    def write(self) -> str:
        """Return the cursor as text, for storage."""
        known = base64.b64encode(b"".join(sorted(self.known))).decode()
        return json.dumps({"of": self.specification, "until": self.until, "known": known})

    @classmethod
    def read(cls, text: str, specification: str) -> Self | None:
        """Return a stored cursor; None if it belongs to another specification, with other rows."""
        try:
            kept = json.loads(text)
            known, until = base64.b64decode(kept["known"], validate=True), kept["until"]
            if kept["of"] != specification or not isinstance(until, str):
                return None
            return cls(specification, until, _cut(known))
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            return None


def kept_cursor(kept: object, specification: str) -> tuple[Cursor | None, str | None]:
    """Return what was kept as a cursor, or why it cannot be used; neither if nothing was kept."""
    if not kept:
        return None, None
    cursor = Cursor.read(kept, specification) if isinstance(kept, str) else None
    return cursor, None if cursor else UNREADABLE


def _cut(known: bytes) -> frozenset[bytes]:
    starts = range(0, len(known), DIGEST_BYTES)
    return frozenset(known[start : start + DIGEST_BYTES] for start in starts)


def fingerprint(specification: BaseModel, *parts: str) -> str:
    """Return a digest of a specification: a cursor is valid for one specification only."""
    text = json.dumps([specification.model_dump_json(exclude=WITHOUT_EFFECT), *parts])
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


class Known:
    """The rows around two moments: known from the last pull, and remembered for the next.

    Args:
        before: the digests that the last pull remembered.
    """

    def __init__(self, before: Iterable[bytes] = ()) -> None:
        self._before = frozenset(before)
        self.found: set[bytes] = set()

    def is_new(self, row: Sequence[Any], *, is_recent: bool) -> bool:
        """Return whether the last pull did not return this row; remember it if it is recent."""
        if not (self._before or is_recent):
            return True
        text = json.dumps(list(row), default=as_text).encode()
        digest = hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
        if is_recent and len(self.found) < KNOWN_ROWS:
            self.found.add(digest)
        return digest not in self._before
