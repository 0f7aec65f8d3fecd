"""Small text files that people write, with or without a byte order mark. Light to import."""

import codecs
from pathlib import Path
from typing import Final

# Some Windows programs write UTF-16, or UTF-8 with a mark. The mark of UTF-32 begins with that of
# UTF-16.
MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(content: bytes) -> str:
    """Return text in the encoding of its byte order mark, otherwise in UTF-8; lines end in LF.

    Raises:
        UnicodeDecodeError: it is in another encoding.
    """
    mark, encoding = next(
        ((mark, name) for mark, name in MARKS if content.startswith(mark)), (b"", "utf-8")
    )
    return content[len(mark) :].decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """Return the text of a file: see `decode_text`.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is in another encoding.
    """
    return decode_text(path.read_bytes())
