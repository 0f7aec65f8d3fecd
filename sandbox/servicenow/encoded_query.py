"""Parses encoded queries into conditions and an order. Unreadable parts are dropped."""

import re
from dataclasses import dataclass

# Longer ones first: `!=` before `=`, `ISNOTEMPTY` before `IN`.
OPERATORS = (
    "DOES NOT CONTAIN", "NOT LIKE", "NOTLIKE", "NOT IN", "STARTSWITH", "ENDSWITH", "ISNOTEMPTY",
    "ISEMPTY", "EMPTYSTRING", "ANYTHING", "CONTAINS", "BETWEEN", "LIKE", "IN", "!=", ">=", "<=",
    "=", ">", "<",
)  # fmt: skip

_SAME = {"CONTAINS": "LIKE", "NOTLIKE": "NOT LIKE", "DOES NOT CONTAIN": "NOT LIKE"}
_CONDITION = re.compile(
    rf"([a-z0-9_]+(?:\.[a-z0-9_]+)*)({'|'.join(map(re.escape, OPERATORS))})(.*)", re.DOTALL
)
# Two carets mean one within a value.
_CARET = "\x00"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; the path may follow references."""

    path: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class SortField:
    """One part of the order."""

    path: str
    descending: bool


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """Alternatives, each a list of choices that must all hold."""

    groups: tuple[tuple[tuple[Condition, ...], ...], ...]
    orders: tuple[SortField, ...]
    # Parts that cannot be read.
    unread: tuple[str, ...] = ()


def parse(text: str) -> EncodedQuery:
    """Return the parsed query; `^OR` applies to the one condition before it."""
    groups: list[list[list[Condition]]] = [[]]
    orders: list[SortField] = []
    unread: list[str] = []
    for part in text.replace("^^", _CARET).split("^"):
        rest = part
        if part.startswith("ORDERBY"):
            descending = part.startswith("ORDERBYDESC")
            path = part.removeprefix("ORDERBYDESC" if descending else "ORDERBY")
            orders.append(SortField(path, descending))
            continue
        if part.startswith("NQ"):
            groups.append([])
            rest = part[2:]
        is_choice = part.startswith("OR")
        condition = _condition(part[2:] if is_choice else rest)
        if condition is None:
            if rest not in ("", "EQ"):
                unread.append(part)
            if not is_choice:
                groups[-1].append([])
        elif is_choice and groups[-1]:
            groups[-1][-1].append(condition)
        else:
            groups[-1].append([condition])
    made = tuple(tuple(tuple(choices) for choices in group) for group in groups)
    return EncodedQuery(made, tuple(orders), tuple(unread))


def _condition(text: str) -> Condition | None:
    match = _CONDITION.fullmatch(text)
    if match is None:
        return None
    path, operator, value = match.groups()
    return Condition(path, _SAME.get(operator, operator), value.replace(_CARET, "^"))
