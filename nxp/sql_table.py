"""A query's result as a table for people: turned if a row does not fit, paged if it is long."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from nxp.output import aligned, text

# Leave at once what fits, keep it on the screen, and cut no escape out of the text.
LESS: Final = "FX"
# The columns of EXPLAIN, whose values are drawings of several lines.
_EXPLAINED: Final = ["explain_key", "explain_value"]
NO_PAGER: Final = frozenset({"", "cat"})


def print_result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a result. In a pipe each row is one line; a terminal gets what it can show."""
    if list(names) == _EXPLAINED:
        page([text(line) for _, plan in rows for line in plan.splitlines()])
        return
    heads = [text(name) for name in names]
    cells = [[cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in aligned(heads, cells):
            print(line)
        return
    size = shutil.get_terminal_size()
    lines = list(aligned(heads, cells))
    if rows and max(map(len, lines)) > size.columns:
        lines = list(turned(heads, cells))
    page(lines)


def turned(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield each row as lines of a name and its value, below the row's number."""
    width = max(map(len, heads))
    names = [head.ljust(width) for head in heads]
    for number, row in enumerate(cells, 1):
        yield f"-- row {number} of {len(cells)} --"
        for name, value in zip(names, row, strict=True):
            yield f"{name}  {value}".rstrip()


def cell(value: Any) -> str:
    """Return a value as text on one line, with booleans as SQL writes them."""
    return str(value).lower() if isinstance(value, bool) else text(value)


def page(lines: Sequence[str]) -> None:
    """Print lines, through the pager of the user if they are more than the screen has."""
    height = shutil.get_terminal_size().lines if sys.stdout.isatty() else sys.maxsize
    words = shlex.split(os.environ.get("PAGER", "less"))
    if len(lines) < height or not words or words[0] in NO_PAGER or not shutil.which(words[0]):
        for line in lines:
            print(line)
        return
    sys.stdout.flush()
    pager = subprocess.Popen(  # noqa: S603 - the user's own program
        words,
        stdin=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        env={"LESS": LESS, **os.environ},
    )
    # Who leaves the pager before its end has seen enough.
    with suppress(BrokenPipeError, KeyboardInterrupt):
        pager.communicate("".join(f"{line}\n" for line in lines))
    while True:
        # Ctrl-C is for the pager.
        with suppress(KeyboardInterrupt):
            pager.wait()
            return
