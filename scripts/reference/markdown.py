"""Markdown that all generated pages share."""

from collections.abc import Iterable, Iterator, Sequence


def made_by(name: str) -> str:
    """Return the sentence that says which command makes a page."""
    command = f"`python -m scripts.reference {name}`"
    return f"This page is made from the\ncode by {command}; a test compares it."


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Return the lines of a table; a column that is empty everywhere is left out."""
    texts = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    kept = [at for at in range(len(header)) if any(row[at] for row in texts)]
    yield "| " + " | ".join(header[at] for at in kept) + " |"
    yield "|" + "---|" * len(kept)
    for row in texts:
        yield "| " + " | ".join(row[at] for at in kept) + " |"


def code(text: str) -> str:
    """Return text as code in a line, empty for no text."""
    return f"`{text}`" if text else ""
