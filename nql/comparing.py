"""Whether two queries mean the same, and where not, which clause differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from nql.normal import Node, NormalClause, normal
from nql.parser import parse


@dataclass(frozen=True, slots=True)
class Difference:
    """One clause that differs, in the words of either query; empty where one has no such clause."""

    clause: str
    ours: str
    theirs: str


def differences(ours: str, theirs: str) -> list[Difference]:
    """Return where a query differs from what a tenant runs; a parameter of ours is any value.

    Raises:
        NqlSyntaxError: one of the two is not understood.
    """
    one, other = normal(parse(ours)), normal(parse(theirs))
    mine, others = clauses(ours), clauses(theirs)
    found = []
    if one.table != other.table:
        # All names mean something else then.
        return [Difference("table", mine[0], others[0])]
    if one.frame != other.frame:
        found.append(Difference("time frame", mine[0], others[0]))
    for left, right in _pairs(one.parts, other.parts):
        here = _text(mine, left)
        there = _text(others, right)
        kept = left or right
        if kept is not None:
            found.append(Difference(kept.keyword, here, there))
    return found


def clauses(text: str) -> list[str]:
    """Return the clauses of a query as written, the first with its table; comments left out."""
    parts, start, at = [""], 0, 0
    while at < len(text):
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            end = len(text) if end < 0 else end + 2
            parts[-1] += text[start:at] + " "
            start = at = end
        elif text[at] in "\"'":
            at = _end_of_text(text, at)
        elif text[at] == "|":
            parts[-1] += text[start:at]
            parts.append("")
            start = at = at + 1
        else:
            at += 1
    parts[-1] += text[start:]
    return [" ".join(part.split()) for part in parts]


def _end_of_text(text: str, start: int) -> int:
    at = start + 1
    while at < len(text) and text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _text(written: Sequence[str], part: NormalClause | None) -> str:
    return " | ".join(written[i + 1] for i in part.clauses) if part is not None else ""


def _pairs(
    ours: Sequence[NormalClause], theirs: Sequence[NormalClause]
) -> list[tuple[NormalClause | None, NormalClause | None]]:
    """Return the clauses that have no equal, paired where both are of one kind."""

    @cache
    def rest(i: int, j: int) -> tuple[tuple[NormalClause | None, NormalClause | None], ...]:
        if i == len(ours) or j == len(theirs):
            return (*((part, None) for part in ours[i:]), *((None, part) for part in theirs[j:]))
        if _agree(ours[i], theirs[j]):
            return rest(i + 1, j + 1)
        ways = [((ours[i], None), *rest(i + 1, j)), ((None, theirs[j]), *rest(i, j + 1))]
        if ours[i].keyword == theirs[j].keyword:
            ways.insert(0, ((ours[i], theirs[j]), *rest(i + 1, j + 1)))
        return min(ways, key=len)

    return list(rest(0, 0))


def _agree(ours: NormalClause, theirs: NormalClause) -> bool:
    return ours.keyword == theirs.keyword and agrees(ours.node, theirs.node)


def agrees(ours: Node, theirs: Node) -> bool:
    """Return whether a tree is the other one, where a parameter stands for any value."""
    if ours[:1] == ("$",):
        return theirs[:1] in (("$",), ("value",)) and (theirs[0] != "$" or ours == theirs)
    if len(ours) != len(theirs):
        return False
    if ours[:1] in (("and",), ("or",)):
        return ours[0] == theirs[0] and _in_any_order(ours[1:], theirs[1:])
    if ours[:1] == ("compare",):
        # The values of a list have no order either.
        return (
            theirs[0] == "compare"
            and agrees(_node(ours[1]), _node(theirs[1]))
            and ours[2] == theirs[2]
            and _in_any_order(ours[3:], theirs[3:])
        )
    return all(_same(one, other) for one, other in zip(ours, theirs, strict=True))


def _node(item: object) -> Node:
    assert isinstance(item, tuple)  # noqa: S101 - the normal form has a field there
    return item


def _same(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return agrees(one, other)
    return type(one) is type(other) and one == other


def _in_any_order(ours: Sequence[object], theirs: Sequence[object]) -> bool:
    """Return whether each of ours agrees with another one of theirs, whatever their order."""
    if len(ours) != len(theirs):
        return False
    taken: dict[int, int] = {}

    def place(mine: int, tried: set[int]) -> bool:
        for j, other in enumerate(theirs):
            if j in tried or not _same(ours[mine], other):
                continue
            tried.add(j)
            # What has this place may have another one.
            if j not in taken or place(taken[j], tried):
                taken[j] = mine
                return True
        return False

    return all(place(i, set()) for i in range(len(ours)))
