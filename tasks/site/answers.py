"""Answers to questions as people read them: charts, and cells of tables."""

import math
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from tasks.site import charts
from tasks.site.facts import AnsweredQuestion

# What stands for a null in a chart.
_NOTHING: Final = "(none)"


def drawn(question: AnsweredQuestion) -> str:
    """Return a question's chart; nothing for a table, or if the answer has not what it names."""
    named = (question.x, question.y, *([question.by] if question.by else ()))
    if not question.rows or not {*named} <= set(question.columns):
        return ""
    x, y, *by = (question.columns.index(name) for name in named)
    found = [
        (cell(row[by[0]]) if by else "", cell(row[x]) or _NOTHING, _as_number(row[y]))
        for row in question.rows
    ]
    if question.chart == "line":
        return charts.line(found, question.title)
    names = question.x.replace("_", " "), question.y.replace("_", " ")
    return charts.ranked(found, names) if question.chart == "bar" else ""


def numeric(question: AnsweredQuestion) -> list[bool]:
    """Return of each column of an answer whether it has numbers only."""
    columns = zip(*question.rows, strict=True) if question.rows else [()] * len(question.columns)
    return [
        any(value is not None for value in column)
        and all(value is None or _as_number(value) is not None for value in column)
        for column in columns
    ]


def digits(question: AnsweredQuestion) -> list[int]:
    """Return how many digits after the point the numbers of each column of an answer have."""
    columns = zip(*question.rows, strict=True)
    return [charts.decimals(map(_as_number, column)) for column in columns]


def cell(value: Any, digits: int | None = None) -> str:
    """Return a value of an answer for people; a midnight is a date."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return charts.number(float(value) if isinstance(value, Decimal) else value, digits)
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return "" if value is None else str(value)


def _as_number(value: Any) -> float | None:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
