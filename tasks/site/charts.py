"""Small charts as SVG in the page: no script, no library, readable by screen readers and in print.

Colours are classes of the style sheet, so that they follow light, dark and print. Each chart is
HTML already: names of others are escaped here.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Final

from tasks.site.facts import Day, DayState, Reference

_WIDTH: Final = 640
_CELL: Final = 13
_MARGIN: Final = 16
_ROW: Final = 26
_MONTH_APART: Final = 3


def sparkline(values: Sequence[int | None], label: str) -> str:
    """Return rows per day as a small row of bars; a day without a unit has a dot."""
    top = max((value for value in values if value), default=1)
    parts = []
    for place, value in enumerate(values):
        if value is None:
            parts.append(f'<rect class="none" x="{place * 6}" y="30" width="4" height="2"/>')
        else:
            high = max(2, round(32 * value / top))
            parts.append(f'<rect x="{place * 6}" y="{32 - high}" width="4" height="{high}"/>')
    return _svg(len(values) * 6, 32, label, parts, "spark")


def bars(values: Sequence[tuple[str, float | None]], label: str, high: int = 120) -> str:
    """Return one bar for each name; a pointer over it shows the name and the number."""
    top = max((value for _, value in values if value), default=0) or 1
    wide = _WIDTH / max(1, len(values))
    parts = []
    for place, (name, value) in enumerate(values):
        tall = high * max(0.0, value or 0) / top
        tall = max(1.0, tall) if value else 0.0
        parts.append(
            f'<rect x="{place * wide:.1f}" y="{high - tall:.1f}" '
            f'width="{max(1.0, wide - min(2.0, wide / 4)):.1f}" height="{tall:.1f}">'
            f"<title>{escape(name)}: {_number(value)}</title></rect>"
        )
    return _svg(_WIDTH, high, label, parts, "bars")


def line(values: Sequence[tuple[str, float | None]], label: str, high: int = 160) -> str:
    """Return a line through the numbers that there are, from the least to the most."""
    numbers = [value for _, value in values if value is not None]
    if not numbers:
        return ""
    least, most = min(0.0, *numbers), max(numbers)
    span = (most - least) or 1
    apart = (_WIDTH - 12) / max(1, len(values) - 1)
    points = [
        (6 + place * apart, high - 6 - (value - least) / span * (high - 12), name, value)
        for place, (name, value) in enumerate(values)
        if value is not None
    ]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
    parts = [f'<polyline points="{drawn}"/>']
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(name)}: {_number(value)}'
        "</title></circle>"
        for x, y, name, value in points
    ]
    return _svg(_WIDTH, high, label, parts, "line")


def calendar(days: Sequence[Day]) -> str:
    """Return a square for each day, a column for each week; states differ in shape too."""
    if not days:
        return ""
    first = days[0].date - timedelta(days=days[0].date.weekday())
    parts = []
    last_column = -_MONTH_APART
    for day in days:
        column, row = divmod((day.date - first).days, 7)
        x, y = column * _CELL, _MARGIN + row * _CELL
        is_month = day.date.day == 1 or day is days[0]
        if is_month and column - last_column >= _MONTH_APART:
            parts.append(f'<text x="{x}" y="11">{_month(day.date)}</text>')
            last_column = column
        rows = "" if day.rows is None else f", {day.rows:,} rows"
        parts.append(
            f'<rect class="{day.state.name.lower()}" x="{x}" y="{y}" width="11" height="11">'
            f"<title>{day.date}: {day.state.value}{rows}</title></rect>"
        )
        if day.state is DayState.MISSING:
            parts.append(f'<path d="M{x + 3} {y + 3}l5 5m0 -5l-5 5"/>')
    wide = ((days[-1].date - first).days // 7 + 1) * _CELL + 20
    return _svg(wide, _MARGIN + 7 * _CELL, calendar_in_words(days), parts, "calendar")


def calendar_in_words(days: Sequence[Day]) -> str:
    """Return how many days are in which state."""
    counted = Counter(day.state for day in days)
    said = ", ".join(f"{counted[state]} {state.value}" for state in DayState if counted[state])
    return f"{days[0].date} to {days[-1].date}: {said}" if days else "no days"


def joins(references: Iterable[Reference], pages: Mapping[str, str]) -> str:
    """Return datasets on the left with lines to those on the right whose columns they refer to."""
    pairs = sorted({(each.dataset, each.to_dataset) for each in references})
    if not pairs:
        return ""
    left = sorted({each for each, _ in pairs})
    used = Counter(each for _, each in pairs)
    right = sorted(used, key=lambda each: (-used[each], each))
    high = _ROW * max(len(left), len(right)) + 8
    apart = (high - 8) / len(right)
    place_left = {name: 4 + _ROW * number + _ROW / 2 for number, name in enumerate(left)}
    place_right = {name: 4 + apart * (number + 0.5) for number, name in enumerate(right)}
    parts = [
        f'<path d="M220 {place_left[one]:.1f}C330 {place_left[one]:.1f} 320 '
        f'{place_right[other]:.1f} 420 {place_right[other]:.1f}"/>'
        for one, other in pairs
    ]
    parts += [_node(name, 10, place_left[name], pages) for name in left]
    parts += [_node(name, 420, place_right[name], pages) for name in right]
    label = f"{len(pairs)} pairs of datasets that join; the table below lists their columns"
    return _svg(_WIDTH, high, label, parts, "joins", role="group")


def _node(name: str, x: int, y: float, pages: Mapping[str, str]) -> str:
    box = (
        f'<rect x="{x}" y="{y - 10:.1f}" width="210" height="20" rx="4"/>'
        f'<text x="{x + 8}" y="{y + 4:.1f}">{escape(name)}</text>'
    )
    if name not in pages:
        return f"<g>{box}</g>"
    return f'<a href="datasets/{escape(pages[name])}.html">{box}</a>'


def _svg(
    wide: float, high: float, label: str, parts: Iterable[str], kind: str, role: str = "img"
) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" '
        f'role="{role}" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _month(day: date) -> str:
    return f"{day:%b %Y}" if day.month == 1 else f"{day:%b}"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) or (math.isfinite(value) and value == int(value)):
        return f"{int(value):,}"
    return f"{value:,.2f}"
