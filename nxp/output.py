"""Printing: data on stdout, everything else on stderr, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any


def say(line: str = "") -> None:
    """Tell a person something, on stderr."""
    print(line, file=sys.stderr)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(data, default=_plain, ensure_ascii=False, indent=1))


def print_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their names on stdout, in columns that fit the terminal where it is one."""
    from rich.console import Console  # noqa: PLC0415 - 0.1 s, not for --json
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(text(value) for value in row))
    width = None if sys.stdout.isatty() else 10_000
    Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False).print(table)


def text(value: Any) -> str:
    """Write a value for a person."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
