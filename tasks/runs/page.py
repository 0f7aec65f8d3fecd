"""A self-contained HTML page: no script, and nothing that is fetched from anywhere."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from connectors.printable import printable

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em;
  color: #1b1b1b; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 1.8em }
table { border-collapse: collapse; margin: .6em 0 }
th, td { text-align: left; padding: .25em .9em .25em 0; border-bottom: 1px solid #ddd;
  vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.verdict { font-size: 1.1em; font-weight: 600 } .note { color: #555 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616 }
  th, td { border-color: #444 } .note { color: #aaa } }
"""


def page(title: str, *parts: str) -> str:
    """Return a page of parts that are HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{shown(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{shown(title)}</h1>\n{''.join(parts)}</body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text; `kind` is verdict, note or nothing."""
    return f'<p class="{kind}">{shown(text)}</p>\n' if kind else f"<p>{shown(text)}</p>\n"


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{shown(text)}</h2>\n"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and texts."""
    rows = (f"<tr><th>{shown(name)}</th><td>{shown(text)}</td></tr>" for name, text in pairs)
    return f"<table>{''.join(rows)}</table>\n"


def counts(title: str, unit: str, numbers: Mapping[str, int]) -> str:
    """Return a table of numbers by name, nothing if there are none."""
    return table([title, unit], list(numbers.items())) if numbers else ""


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; numbers are aligned, null is empty."""
    head = "".join(f"<th>{shown(name)}</th>" for name in names)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def shown(value: Any) -> str:
    """Return a text without markup and control characters."""
    return escape(printable(str(value)))


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{'' if value is None else shown(value)}</td>"
