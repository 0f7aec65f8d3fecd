"""Strict CSV: quotes that stand where RFC 4180 allows them, and line breaks that are whole.

Arrow reads text that breaks these rules without complaint, and then merges or changes values. Text
is checked in UTF-8, block by block, by NumPy: in text that is right, quotes alternate between
opening and closing ones, the second half of a doubled quote being an opening one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

BOM: Final = b"\xef\xbb\xbf"
QUOTE: Final = ord('"')
LF: Final = ord("\n")
CR: Final = ord("\r")
WORD: Final = 64
# Each step doubles how far the parity of the quotes is carried within a word.
STEPS: Final = tuple(np.uint64(step) for step in (1, 2, 4, 8, 16, 32))
ONE: Final = np.uint64(1)
LAST: Final = np.uint64(WORD - 1)
# With fewer quotes than one in this many bytes, looking at each takes less time than masks.
SPARSE: Final = 48

AFTER_QUOTE: Final = "has text after a closing quote"
INSIDE: Final = "has a quote inside a field that does not begin with one"
UNCLOSED: Final = "has a quote that is not closed"
BARE_CR: Final = "has a carriage return that is not part of a line break"
MIXED: Final = "ends its lines in another way than the rows before it"
NUL: Final = "contains a NUL character"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a fault is: rows are records and count the header; lines are those of an editor."""

    row: int
    line: int

    def __str__(self) -> str:
        if self.row == self.line:
            return f"row {self.row}"
        return f"row {self.row} (line {self.line})"


class CsvSyntaxError(Exception):
    """Text that is not strict CSV: `reason` is one of the constants above."""

    def __init__(self, reason: str, position: Position | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position

    def __str__(self) -> str:
        return f"{self.position} {self.reason}" if self.position else self.reason


class CsvSyntax:
    """Checks CSV text that comes in blocks, divided anywhere.

    Args:
        delimiter: separates two fields; one ASCII character.
        quoted: whether fields may be in double quotes; otherwise quotes are plain characters.
        counted: whether errors have a position; counting takes as long as the check itself.
        nul: whether the text may contain NUL characters.
        sparse: see SPARSE; changes how the check works, not what it finds.

    Attributes:
        rows: if counted, the number of the row that comes next or is not complete.
        last_end: if counted, how much of the last block its complete rows are; 0 for nothing.
    """

    def __init__(
        self,
        delimiter: str = ",",
        *,
        quoted: bool = True,
        counted: bool = True,
        nul: bool = False,
        sparse: int = SPARSE,
    ) -> None:
        self._delimiter = ord(delimiter)
        self._quoted = quoted
        self._counted = counted
        self._nul = nul
        self._sparse = sparse
        self.rows = self._lines = 1
        self.last_end = 0
        self._is_first = True
        self._held = b""
        self._last = LF
        # Whether the next byte is inside a quoted field, and how lines end.
        self._inside = self._has_lf = self._is_cr_only = False
        # Which bytes may stand next to a quote, on its outer side.
        self._borders = np.zeros(256, np.bool_)
        self._borders[[self._delimiter, LF, CR, QUOTE]] = True
        self._scratch = np.empty((3, 0), np.bool_)
        # Of the block: which bytes are inside of quotes, where that was needed.
        self._inside_of: list[Bits] = []

    @property
    def is_open(self) -> bool:
        """Whether the text so far ends inside a quoted field."""
        return self._inside

    def feed(self, block: bytes) -> None:
        """Check the next bytes.

        Raises:
            CsvSyntaxError: they break a rule.
        """
        if self._is_first:
            block = self._held + block
            if len(block) < len(BOM) and BOM.startswith(block):
                self._held = block
                return
            self._is_first = False
            block = block.removeprefix(BOM)
        if not block:
            return
        self._inside_of.clear()
        if not self._nul and (found := block.find(b"\0")) >= 0:
            raise self._fault(NUL, block, found)
        self._check_seam(block)
        quotes = self._check_quotes(block) if self._quoted and b'"' in block else 0
        if self._is_cr_only or b"\r" in block:
            self._check_breaks(block)
        elif not self._has_lf:
            self._has_lf = bool(self._outside(block, LF).size)
        if self._counted:
            end = CR if self._is_cr_only else LF
            self._lines += self._places(block, end).size
            ends = self._outside(block, end)
            self.rows += ends.size
            self.last_end = int(ends[-1]) + 1 if ends.size else 0
        self._inside ^= bool(quotes % 2)
        self._last = block[-1]

    def finish(self) -> None:
        """Check the end of the text.

        Raises:
            CsvSyntaxError: it is inside a quoted field.
        """
        if self._inside:
            raise CsvSyntaxError(UNCLOSED, self._position(0, 0))

    def _check_seam(self, block: bytes) -> None:
        """Check the first byte against the last one of the block before."""
        if self._inside:
            return
        first = block[0]
        if self._quoted and self._last == QUOTE and not self._borders[first]:
            raise self._fault(AFTER_QUOTE, block, 0)
        if self._last == CR and first != LF and not self._is_cr_only:
            if self._has_lf:
                raise self._fault(BARE_CR, block, 0)
            self._is_cr_only = True
            # The first line break of all was not known as one.
            self.rows += 1
            self._lines += 1

    def _check_quotes(self, block: bytes) -> int:
        """Return how many quotes there are; what follows the last byte is checked later."""
        text = np.frombuffer(block, np.uint8)
        is_quote = np.equal(text, QUOTE, out=self._flags(0, text.size))
        count = int(np.count_nonzero(is_quote))
        if count * self._sparse < text.size:
            places = np.flatnonzero(is_quote)
            opening, closing = places[self._inside :: 2], places[not self._inside :: 2]
            # At the first byte, -1 would be the last one: it is looked at by itself.
            before = self._borders.take(text.take(opening - 1))
            if opening.size and opening[0] == 0:
                before[0] = self._borders[self._last]
            after = self._borders.take(text.take(closing + 1, mode="clip"))
            wrong = (opening[~before], closing[~after])
        else:
            wrong = self._wrong(text, is_quote)
        first = [int(places[0]) if places.size else text.size for places in wrong]
        if min(first) < text.size:
            raise self._fault(INSIDE if first[0] < first[1] else AFTER_QUOTE, block, min(first))
        return count

    def _wrong(self, text: Bytes, is_quote: Flags) -> tuple[Places, Places]:
        """Return the wrong opening and closing quotes of text with many, without their places."""
        is_border = np.equal(text, self._delimiter, out=self._flags(1, text.size))
        one = self._flags(2, text.size)
        for end in (LF, CR) if (text == CR).any() else (LF,):
            is_border |= np.equal(text, end, out=one)
        is_border |= is_quote
        quotes, borders = _packed(is_quote), _packed(is_border)
        inside = _parity(quotes, is_odd=self._inside)
        before = borders << ONE
        before[1:] |= borders[:-1] >> LAST
        before[0] |= np.uint64(self._borders[self._last])
        after = borders >> ONE
        after[:-1] |= borders[1:] << LAST
        after[-1] |= ONE << np.uint64((text.size - 1) % WORD)
        return _ones(quotes & inside & ~before), _ones(quotes & ~inside & ~after)

    def _check_breaks(self, block: bytes) -> None:
        """Check that lines outside of quoted fields end in LF or CRLF, or all of them in CR."""
        feeds, returns = self._outside(block, LF), self._outside(block, CR)
        # A carriage return at the end is checked with the next block.
        returns = returns[returns < len(block) - 1]
        bare = returns[np.frombuffer(block, np.uint8)[returns + 1] != LF]
        if bare.size and not self._has_lf and not (feeds.size and feeds[0] < bare[0]):
            self._is_cr_only = True
        if self._is_cr_only and feeds.size:
            raise self._fault(MIXED, block, int(feeds[0]))
        if bare.size and not self._is_cr_only:
            raise self._fault(BARE_CR, block, int(bare[0]))
        self._has_lf = self._has_lf or bool(feeds.size)

    def _outside(self, block: bytes, byte: int) -> Places:
        """Return where a byte stands outside of quoted fields."""
        places = self._places(block, byte)
        if not (self._quoted and b'"' in block):
            return places[:0] if self._inside else places
        if not self._inside_of:
            is_quote = np.equal(np.frombuffer(block, np.uint8), QUOTE)
            self._inside_of.append(_parity(_packed(is_quote), is_odd=self._inside))
        words = self._inside_of[0][places // WORD] >> (places % WORD).astype(np.uint64)
        outside: Places = places[(words & ONE) == 0]
        return outside

    def _places(self, block: bytes, byte: int) -> Places:
        text = np.frombuffer(block, np.uint8)
        return np.flatnonzero(np.equal(text, byte, out=self._flags(1, text.size)))

    def _flags(self, number: int, size: int) -> Flags:
        """Return memory that is used again: new memory takes longer than the check itself."""
        if self._scratch.shape[1] < size:
            self._scratch = np.empty((3, size), np.bool_)
        return self._scratch[number, :size]

    def _fault(self, reason: str, block: bytes, place: int) -> CsvSyntaxError:
        end = CR if self._is_cr_only else LF
        before = [
            np.count_nonzero(found < place)
            for found in (self._outside(block, end), self._places(block, end))
        ]
        return CsvSyntaxError(reason, self._position(*map(int, before)))

    def _position(self, rows: int, lines: int) -> Position | None:
        return Position(self.rows + rows, self._lines + lines) if self._counted else None


def _packed(flags: Flags) -> Bits:
    """Return flags as bits, the first one in the lowest bit; missing ones are 0."""
    packed = np.packbits(flags, bitorder="little")
    if short := -packed.size % (WORD // 8):
        packed = np.concatenate([packed, np.zeros(short, np.uint8)])
    return packed.view("<u8")


def _parity(quotes: Bits, *, is_odd: bool) -> Bits:
    """Return for each bit whether the number of quotes up to it, itself included, is odd."""
    odd = quotes.copy()
    for step in STEPS:
        odd ^= odd << step
    # The highest bit is the parity of its word: carried over all words that follow.
    carried = np.bitwise_xor.accumulate(odd >> LAST)
    carry = np.empty_like(carried)
    carry[0] = 0
    carry[1:] = carried[:-1]
    if is_odd:
        carry ^= ONE
    # 0 - 1 is all ones.
    odd ^= np.uint64(0) - carry
    return odd


def _ones(bits: Bits) -> Places:
    """Return where bits are set, for few of them."""
    words = np.flatnonzero(bits)
    flags = np.unpackbits(bits[words].view(np.uint8), bitorder="little").reshape(-1, WORD)
    word, bit = np.nonzero(flags)
    return words[word] * WORD + bit
