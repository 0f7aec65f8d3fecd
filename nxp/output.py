"""Printing: data on stdout, everything else on stderr, JSON for programs."""

import contextlib
import io
import json
import logging
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TextIO

from connectors.logs import JSON
from connectors.printable import printable, to_json
from connectors.project import says

logger = logging.getLogger(__name__)

_LAST: list[str] = []


def say(line: str = "", level: int = logging.INFO) -> None:
    """Print a line for a person on stderr, or log it as JSON if NXP_LOG=json."""
    if is_json_asked():
        logger.log(level, "%s", line)
        return
    # Where both streams lead to one place, lines stay in the order in which they were printed. A
    # stdout that takes nothing is reported at the command's end.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        # Nobody reads stderr any more, or its disk is full: the command itself goes to its end.
        silence(sys.stderr)


def print_text(line: str, end: str = "\n") -> None:
    """Print a text on stdout that others wrote, without characters that control the terminal."""
    print(printable(line), end=end)


def take_any_character() -> None:
    """Let stdout and stderr write out what their encoding lacks, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Let whatever else is written to a stream vanish, also at the interpreter's end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say_last(line: str) -> None:
    """Keep a line for the end of the command: see `say_left`."""
    _LAST.append(line)


def say_left() -> None:
    """Print the lines that were kept for the end of the command."""
    while _LAST:
        say(_LAST.pop(0))


def is_json_asked() -> bool:
    """Return whether stderr is for machines (NXP_LOG=json, or `log` in nxp.toml)."""
    given = os.environ.get("NXP_LOG")
    return given == JSON if given else says("log", JSON)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    print(to_json(plain(data), sys.stdout.encoding, allow_nan=False, indent=1))


def print_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their names on stdout: folded to fit a terminal, otherwise a line each."""
    heads = [text(name) for name in names]
    lines = [[text(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _print_folded(heads, lines)
        return
    # A pipe needs neither folding nor bold, for which rich takes 0.1 s to import.
    for line in aligned(heads, lines):
        print(line)


def aligned(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield texts as lines of a table, each column as wide as its widest text."""
    columns = [[head, *column] for head, column in zip(heads, _turned(heads, lines), strict=True)]
    padded = [_padded(column) for column in columns]
    for line in zip(*padded, strict=True):
        yield "  ".join(line).rstrip()


def _turned(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    return list(zip(*lines, strict=True)) if lines else [()] * len(heads)


def _padded(column: Sequence[str]) -> list[str]:
    """Return texts, each with spaces to the width of the widest."""
    if all(map(str.isascii, column)):
        width = max(map(len, column))
        return [value.ljust(width) for value in column]
    from rich.cells import cell_len  # noqa: PLC0415 - some characters are two columns wide

    widths = [len(value) if value.isascii() else cell_len(value) for value in column]
    widest = max(widths)
    return [value + " " * (widest - width) for value, width in zip(column, widths, strict=True)]


def _print_folded(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - 0.1 s, only on a terminal
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for cells in lines:
        table.add_row(*cells)
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    with console.capture() as printed:
        console.print(table)
    for line in printed.get().splitlines():
        print(line.rstrip())


def at_second(value: Any) -> Any:
    """Return a time without its fraction, for times of our own; a query's values keep theirs."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def text(value: Any) -> str:
    """Return a value as text for a person, without characters that control the terminal."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, list | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    shown = str(value)
    if shown.isprintable():
        return shown
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in shown)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return for each kind
    """Return a value as JSON has it; types JSON does not have become text, NaN becomes null."""
    match value:
        case dict():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case bytes():
            return value.hex()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | time():
            return value.isoformat()
        case _ if is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return str(value)
