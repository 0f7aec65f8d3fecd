"""Text for a terminal or a log, in which no character does anything but show.

Names of columns, datasets and files, and what servers say, come from others: an escape sequence in
them could move the cursor, hide text, or make a terminal answer.
"""

import json
import re
from typing import Any, Final

# Controls (C0, DEL, C1), marks that turn the direction of text, line separators, and halves of
# characters, which no encoding can write.
_DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SURROGATES: Final = "\ud800-\udfff"
_CONTROLS: Final = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{_DIRECTION}{_SURROGATES}]"
)
_IN_JSON: Final = re.compile(rf"[\x7f-\x9f\u2028\u2029\ufeff{_DIRECTION}{_SURROGATES}]")


def printable(text: str) -> str:
    r"""Return a text with its control characters written out, as \x1b; lines and tabs stay."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def to_json(data: Any, encoding: str | None, **options: Any) -> str:
    r"""Return data as JSON that a stream of this encoding can take and a terminal can show.

    What is a control character, or not in the encoding (cp1252, ASCII), is written as \u009b.
    """
    document = json.dumps(data, ensure_ascii=False, **options)
    document = _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
    try:
        document.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(data, **options).replace("\x7f", "\\u007f")
    return document
