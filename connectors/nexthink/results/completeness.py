"""Whether a file has arrived completely: two facts, from sources that do not depend on each other.

Counted: as many bytes have arrived as the first answer announced for the whole file. Reached: the
last answer announced a part that ends where the file ends, and exactly that part has arrived. The
end of a compressed stream is a third fact, which the decoder checks: a frame may end exactly where
a file is cut.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

# At most 18 digits: longer numbers are garbage, and slow to read.
_CONTENT_RANGE: Final = re.compile(
    r"bytes (?:(?P<start>[0-9]{1,18})-(?P<last>[0-9]{1,18})|\*)/(?P<total>[0-9]{1,18})"
)
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The part of a file that an answer announces, `end` not included; None if it does not say."""

    start: int
    end: int | None
    total: int | None

    @classmethod
    def of_whole(cls, length: str | None) -> Self:
        """Return the part of an answer with the whole file, by its Content-Length."""
        known = int(length) if length is not None and _LENGTH.fullmatch(length) else None
        return cls(0, known, known)

    @classmethod
    def of_range(cls, content_range: str) -> Self | None:
        """Return the part of a Content-Range; None if it is malformed, or names no total."""
        found = _CONTENT_RANGE.fullmatch(content_range)
        if found is None:
            return None
        total = int(found["total"])
        if found["start"] is None:
            return cls(total, total, total)
        return cls(int(found["start"]), int(found["last"]) + 1, total)


class ReceivedBytes:
    """What the answers of one download announce, and how much has arrived."""

    def __init__(self) -> None:
        self.received = 0
        self.total: int | None = None
        self._part = ByteRange(0, None, None)

    def begin(self, part: ByteRange) -> None:
        """Note the answer whose body comes next; the first total counts for the whole file."""
        self._part = part
        if self.total is None:
            self.total = part.total

    def continues(self, part: ByteRange | None) -> bool:
        """Return whether a part follows what has arrived, of a file of the same length."""
        return (
            part is not None
            and part.start == self.received > 0
            and (self.total is None or part.total == self.total)
        )

    @property
    def is_counted(self) -> bool:
        """Whether as many bytes have arrived as the first total says; true if none was named."""
        return self.total is None or self.received == self.total

    @property
    def is_reached(self) -> bool:
        """Whether the last answer's part has arrived and ends the file; true if it named none."""
        end, total = self._part.end, self._part.total
        return end is None or self.received == end == total

    @property
    def is_beyond(self) -> bool:
        """Whether more has arrived than the whole file, or than the last answer's part, has."""
        return any(
            limit is not None and self.received > limit for limit in (self.total, self._part.end)
        )
