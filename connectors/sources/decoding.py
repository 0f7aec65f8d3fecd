"""Text files in any encoding, as UTF-8 while they are read.

What is decoded can be judged; its bytes cannot: in UTF-16 the letter Ģ contains the byte of a
quote. A wrong encoding is an error wherever the bytes show it: decoded anyway, it changes names.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from connectors.errors import DataRefusedError
from connectors.text_files import MARKS

UTF_8: Final = ("utf-8", "utf-8-sig")
ORDERLESS: Final = ("utf-16", "utf-32")
UNICODE: Final = "utf"
LONGEST_MARK: Final = 4
MARK: Final = "\ufeff"
# ISO 8859 has control characters where Windows has letters, quotation marks and the euro.
CONTROLS: Final = re.compile("[\x80-\x9f]")
# How sure it must be that a file is UTF-8, although another encoding is set: see _Disguised.
SURE: Final = 2
SURE_OF_PAIRS: Final = 4
PAIRS: Final = ("shift", "euc", "gb", "big5", "cp932", "cp936", "cp949", "cp950", "johab", "hz")


def decoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the text of a file as UTF-8, without a byte order mark.

    A mark counts more than the default encoding, and may not contradict another one.

    Raises:
        DataRefusedError: the file is in another encoding; the error names line and byte.
    """
    first = b""
    for block in blocks:
        first += block
        if len(first) >= LONGEST_MARK:
            break
    actual, length = _encoding(first, encoding)
    text = _Text(actual, length)
    for block in _chained(first[length:], blocks):
        yield text.feed(block)
    yield text.feed(b"", is_last=True)


def _chained(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _encoding(first: bytes, declared: str) -> tuple[str, int]:
    """Return the encoding of a file by its first bytes, and how many of them are a mark."""
    mark, marked = next(((mark, name) for mark, name in MARKS if first.startswith(mark)), (b"", ""))
    if marked and (declared in UTF_8 or marked.startswith(declared)):
        return marked, len(mark)
    if marked:
        raise DataRefusedError(
            f"begins with the byte order mark of {marked}, but the encoding is {declared}: set "
            f"encoding: {marked}"
        )
    if declared in UTF_8:
        return "utf-8", 0
    if not declared.startswith(ORDERLESS):
        return declared, 0
    # Delimiters, digits and line breaks have a zero byte, before or after the other one.
    is_big = first[::2].count(0) > first[1::2].count(0)
    if declared in ORDERLESS:
        return f"{declared}-{'be' if is_big else 'le'}", 0
    if is_big != declared.endswith("be") and 0 in first:
        other = declared[:-2] + ("be" if is_big else "le")
        raise DataRefusedError(f"contains text in another encoding than {declared}: try {other}")
    return declared, 0


class _Text:
    """The text of one file; knows where it is, for errors."""

    def __init__(self, encoding: str, offset: int) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._offset = offset
        self._line = 1
        self._is_first = True
        self._disguised = None if encoding.startswith(UNICODE) else _Disguised(encoding)

    def feed(self, block: bytes, *, is_last: bool = False) -> bytes:
        """Return the next bytes as UTF-8."""
        waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, is_last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "replace")
            raise self._refused(before, self._offset - waiting + error.start) from None
        except UnicodeError:
            raise self._refused("", self._offset) from None
        if self._encoding.startswith("iso8859") and (found := CONTROLS.search(text)):
            before = text[: found.start()]
            raise self._refused(before, self._offset + found.start(), ", perhaps in cp1252")
        if self._disguised is not None:
            self._disguised.feed(block, self._line, is_last=is_last)
        self._offset += len(block)
        self._line += text.count("\n")
        if self._is_first and text:
            self._is_first = False
            text = text.removeprefix(MARK)
        return text.encode()

    def _refused(self, before: str, offset: int, hint: str = "") -> DataRefusedError:
        line = self._line + before.count("\n")
        return DataRefusedError(
            f"row {line} (byte {offset + 1}) contains text in another encoding than "
            f"{self._encoding}{hint}: set encoding"
        )


class _Disguised:
    """Finds UTF-8 that is read in another encoding: `Zoë` would become `ZoÃ«`.

    Text in another encoding is hardly ever valid UTF-8, except for a pair of letters or so. In
    encodings whose letters are pairs of bytes more than one is needed to be sure.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._sure = SURE_OF_PAIRS if encoding.startswith(PAIRS) else SURE
        self._weight = self._line = 0

    def feed(self, block: bytes, line: int, *, is_last: bool) -> None:
        """Look at the next bytes, which begin in a line.

        Raises:
            DataRefusedError: at the end, if the file is UTF-8.
        """
        if self._decoder is None:
            return
        try:
            text = self._decoder.decode(block, is_last)
        except UnicodeDecodeError:
            self._decoder = None
            return
        if not text.isascii():
            foreign = [letter for letter in text if letter > "\x7f"]
            self._weight += sum(2 if "\xa0" <= x <= "\xff" or x > "\u07ff" else 1 for x in foreign)
            self._line = self._line or line + text.partition(foreign[0])[0].count("\n")
        if is_last and self._weight >= self._sure:
            raise DataRefusedError(
                f"row {self._line} contains text in another encoding than {self._encoding}: the "
                "file is utf-8, set encoding: utf-8"
            )
