"""Pages of XML, HTML or JSON that come in place of a result file, with status 200."""

from typing import Final

from connectors.csv_syntax import BOM
from connectors.errors import Exchange, UnavailableError

# More blank characters than any page begins with.
LONGEST_BEGINNING: Final = 4_096


def begins_a_page(beginning: bytes) -> bool:
    """Return whether a text begins as XML, HTML or a JSON object, which no header does."""
    return visible_text(beginning).startswith((b"<", b"{"))


def visible_text(beginning: bytes) -> bytes:
    """Return a text without what stands before the first character that shows."""
    wide = beginning.startswith((b"\xff\xfe", b"\xfe\xff"))
    plain = beginning[2:].replace(b"\0", b"") if wide else beginning
    while (rest := plain.lstrip().removeprefix(BOM)) != plain:
        plain = rest
    return plain


def page_error(exchange: Exchange | None = None) -> UnavailableError:
    """Return the error of a download that brought such a page."""
    return UnavailableError(
        "a page of XML or HTML, or JSON, came instead of the result file: try again later, and "
        "check proxies if it comes again",
        exchange=exchange,
    )
