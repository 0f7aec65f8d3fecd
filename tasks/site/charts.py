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
_HIGH: Final = 140
MOST_BARS: Final = 30
# As many as the style sheet has colours for.
MOST_LINES: Final = 8
_CELL: Final = 13
_MARGIN: Final = 16
_ROW: Final = 26
_MONTH_APART: Final = 3
_SMALL: Final = 0.01
_WIDEST: Final = 40


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


def bars(values: Sequence[tuple[str, float | None]], label: str) -> str:
    """Return one bar for each instant, with its scale; a pointer over it shows name and number."""
    top = _most(value for _, value in values)
    ends = (values[0][0], values[-1][0]) if values else ()
    return _framed(histogram(values, label, _HIGH), (number(top), "0"), ends)


def histogram(values: Sequence[tuple[str, float | None]], label: str, high: int = 30) -> str:
    """Return one bar for each name, without a scale."""
    top = _most(value for _, value in values)
    wide = _WIDTH / max(1, len(values))
    parts = []
    for place, (name, value) in enumerate(values):
        tall = high * max(0.0, value or 0) / top
        tall = max(1.0, tall) if value else 0.0
        parts.append(
            f'<rect x="{place * wide:.1f}" y="{high - tall:.1f}" '
            f'width="{min(_WIDEST, max(1.0, wide - min(2.0, wide / 4))):.1f}" height="{tall:.1f}">'
            f"<title>{escape(name)}: {number(value)}</title></rect>"
        )
    return _svg(_WIDTH, high, label, parts, "bars", stretches=True)


def ranked(values: Sequence[tuple[str, str, float | None]], names: tuple[str, str]) -> str:
    """Return horizontal bars as a table: each has its label and its number, on any screen.

    Args:
        values: of each bar its group (empty without groups), label and number.
        names: of the labels and of the numbers.
    """
    top = _most(value for _, _, value in values)
    digits = decimals(value for _, _, value in values)
    heads = f'<th scope="col">{escape(names[0])}</th><th scope="col">{escape(names[1])}</th>'
    parts = [f'<table class="ranked"><thead><tr>{heads}</tr></thead>']
    groups: dict[str, list[tuple[str, float | None]]] = {}
    for group, label, value in values[:MOST_BARS]:
        groups.setdefault(group, []).append((label, value))
    for group, of_group in groups.items():
        parts.append("<tbody>")
        if group:
            parts.append(f'<tr><th scope="rowgroup" colspan="2">{escape(group)}</th></tr>')
        for label, value in of_group:
            share = 100 * max(0.0, value or 0) / top
            parts.append(
                f'<tr><th scope="row">{escape(label)}</th><td><span class="bar" '
                f'style="width:{0.8 * share:.1f}%"></span> {number(value, digits)}</td></tr>'
            )
        parts.append("</tbody>")
    parts.append("</table>")
    if len(values) > MOST_BARS:
        parts.append(f'<p class="note">The first {MOST_BARS} of {len(values):,} are drawn.</p>')
    return "".join(parts)


def line(values: Sequence[tuple[str, str, float | None]], label: str) -> str:
    """Return a line for each series, over all instants that some series has.

    Args:
        values: of each point its series (empty if there is one only), its instant and its number.
        label: what the picture shows, for those who do not see it.
    """
    numbers = [value for _, _, value in values if value is not None]
    if not numbers:
        return ""
    least, most = min(0.0, *numbers), max(numbers)
    span = (most - least) or 1
    instants = sorted({instant for _, instant, _ in values})
    places = {instant: place for place, instant in enumerate(instants)}
    apart = (_WIDTH - 12) / max(1, len(instants) - 1)
    series: dict[str, list[tuple[float, float, str]]] = {}
    for name, instant, value in values:
        if value is not None:
            x, y = 6 + places[instant] * apart, _HIGH - 6 - (value - least) / span * (_HIGH - 12)
            said = f"{name}, {instant}" if name else instant
            series.setdefault(name, []).append((x, y, f"{said}: {number(value)}"))
    parts = [
        _series(place, points) for place, points in enumerate(list(series.values())[:MOST_LINES])
    ]
    drawn = _svg(_WIDTH, _HIGH, label, parts, "line", stretches=True)
    framed = _framed(drawn, (number(most), number(least)), (instants[0], instants[-1]))
    return framed + _legend([*series]) if len(series) > 1 else framed


def _series(place: int, points: Sequence[tuple[float, float, str]]) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in sorted(points))
    # A path of no length with a round end is a dot, which stays round when the picture is wider.
    dots = "".join(
        f'<path class="dot" d="M{x:.1f} {y:.1f}h0"><title>{escape(said)}</title></path>'
        for x, y, said in points
    )
    return f'<g class="s{place}"><polyline points="{drawn}"/>{dots}</g>'


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg class="line key" viewBox="0 0 30 10" width="30" height="10" aria-hidden="true">'
        f'<g class="s{place}"><polyline points="2,5 28,5"/></g></svg>{escape(name)}</li>'
        for place, name in enumerate(names[:MOST_LINES])
    )
    more = len(names) - MOST_LINES
    rest = f"<li>{more} more in the table</li>" if more > 0 else ""
    return f'<ul class="legend" aria-label="Lines">{items}{rest}</ul>'


def _framed(drawn: str, scale: tuple[str, str], ends: Iterable[str]) -> str:
    """Return a picture with a scale at its left, and what its ends stand for below."""
    top, bottom = scale
    below = "".join(f"<span>{escape(each)}</span>" for each in dict.fromkeys(ends))
    return (
        f'<div class="chart"><div class="y" aria-hidden="true"><span>{top}</span>'
        f'<span>{bottom}</span></div>{drawn}<div class="x">{below}</div></div>'
    )


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
    wide: float,
    high: float,
    label: str,
    parts: Iterable[str],
    kind: str,
    role: str = "img",
    *,
    stretches: bool = False,
) -> str:
    ratio = ' preserveAspectRatio="none"' if stretches else ""
    return (
        f'<svg class="{kind}" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" '
        f'role="{role}" aria-label="{escape(label)}"{ratio}>{"".join(parts)}</svg>'
    )


def _most(values: Iterable[float | None]) -> float:
    return max((value for value in values if value and value > 0), default=0) or 1


def _month(day: date) -> str:
    return f"{day:%b %Y}" if day.month == 1 else f"{day:%b}"


def number(value: float | None, digits: int | None = None) -> str:
    """Return a number for people: in groups of three digits.

    Args:
        value: the number.
        digits: after the point, as `decimals` returns them; None: as many as it needs.
    """
    if value is None or not math.isfinite(value):
        return "none"
    if 0 < abs(value) < _SMALL:
        return f"{value:.2g}"
    return f"{value:,.{decimals([value]) if digits is None else digits}f}"


def decimals(values: Iterable[float | None]) -> int:
    """Return how many digits after the point numbers of one column need: two at most."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return next((d for d in (0, 1) if all(round(v, d) == round(v, 6) for v in known)), 2)
