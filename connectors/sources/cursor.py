"""How far an incremental pull has come: a moment, and which rows around it are known.

The next pull reads again what changed shortly before that moment, since a transaction may commit
after a later one, and leaves out the rows that have not changed. Rows are known by a digest.
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
# About a megabyte of cursor. Of more rows around the moment some come again with every pull,
# until there is a newer moment.
KNOWN_ROWS = 100_000
# They change how rows are asked for, not which.
WITHOUT_EFFECT = {"page_rows", "overlap"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a pull: `until` in the source's own form, and the rows known around it."""

    specification: str
    until: str
    known: frozenset[bytes]

    def write(self) -> str:
        """Write it down as text, to be kept."""
        known = base64.b64encode(b"".join(sorted(self.known))).decode()
        return json.dumps({"of": self.specification, "until": self.until, "known": known})

    @classmethod
    def read(cls, text: str, specification: str) -> Self | None:
        """Read it; None where it is of another specification, whose rows were others."""
        try:
            kept = json.loads(text)
            known = base64.b64decode(kept["known"])
            if kept["of"] != specification:
                return None
            return cls(specification, str(kept["until"]), _cut(known))
        except (ValueError, KeyError, TypeError, binascii.Error):
            return None


def _cut(known: bytes) -> frozenset[bytes]:
    starts = range(0, len(known), DIGEST_BYTES)
    return frozenset(known[start : start + DIGEST_BYTES] for start in starts)


def fingerprint(specification: BaseModel, *parts: str) -> str:
    """Give what tells a specification from others: a cursor is good for one."""
    text = json.dumps([specification.model_dump_json(exclude=WITHOUT_EFFECT), *parts])
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


class Known:
    """The rows around two moments: those known from the last pull, those to be known by the next.

    Args:
        before: the digests that the last pull left.
    """

    def __init__(self, before: Iterable[bytes] = ()) -> None:
        self._before = frozenset(before)
        self.found: set[bytes] = set()

    def is_new(self, row: Sequence[Any], *, is_recent: bool) -> bool:
        """Tell whether the last pull has not given this row, and remember a recent one."""
        if not (self._before or is_recent):
            return True
        text = json.dumps(list(row), default=as_text).encode()
        digest = hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
        if is_recent and len(self.found) < KNOWN_ROWS:
            self.found.add(digest)
        return digest not in self._before
