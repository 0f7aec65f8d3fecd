"""A query's result as a table for people: turned if a row does not fit, paged if it is long."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Final

from nxp.output import aligned, text

# Leave at once what fits, keep it on the screen, and cut no escape out of the text.
LESS: Final = "FX"
# From so many rows it shows whether a row fits, unless a later one is wider.
PROBED: Final = 1_000
# The columns of EXPLAIN, whose values are drawings of several lines.
_EXPLAINED: Final = ["explain_key", "explain_value"]
NO_PAGER: Final = frozenset({"", "cat"})


def print_result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a result. In a pipe each row is one line; a terminal gets what it can show."""
    if list(names) == _EXPLAINED:
        page([text(line) for _, plan in rows for line in plan.splitlines()])
        return
    heads = [text(name) for name in names]
    if not sys.stdout.isatty():
        for line in aligned(heads, [_cells(row) for row in rows]):
            print(line)
        return
    columns = shutil.get_terminal_size().columns
    first = max(map(len, aligned(heads, [_cells(row) for row in rows[:PROBED]])))
    if rows and first > columns:
        page(turned(heads, rows))
        return
    lines = list(aligned(heads, [_cells(row) for row in rows]))
    is_wide = bool(rows) and max(map(len, lines)) > columns
    page(turned(heads, rows) if is_wide else lines)


def turned(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield each row as lines of a name and its value, below the row's number."""
    width = max(map(len, heads))
    names = [head.ljust(width) for head in heads]
    for number, row in enumerate(rows, 1):
        yield f"-- row {number} of {len(rows)} --"
        for name, value in zip(names, row, strict=True):
            yield f"{name}  {cell(value)}".rstrip()


def _cells(row: Sequence[Any]) -> list[str]:
    return [cell(value) for value in row]


def cell(value: Any) -> str:
    """Return a value as text on one line, with booleans as SQL writes them."""
    return str(value).lower() if isinstance(value, bool) else text(value)


def page(lines: Iterable[str]) -> None:
    """Print lines, through the pager of the user if they are more than the screen has.

    The pager shows the first ones while the others are still made.
    """
    height = shutil.get_terminal_size().lines if sys.stdout.isatty() else sys.maxsize
    words = shlex.split(os.environ.get("PAGER", "less"))
    rest = iter(lines)
    begun = list(islice(rest, height))
    if len(begun) < height or not words or words[0] in NO_PAGER or not shutil.which(words[0]):
        for line in chain(begun, rest):
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
    assert pager.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
    with suppress(BrokenPipeError, KeyboardInterrupt), pager.stdin as fed:
        fed.writelines(f"{line}\n" for line in chain(begun, rest))
    while True:
        # Ctrl-C is for the pager.
        with suppress(KeyboardInterrupt):
            pager.wait()
            return
