"""The encoded query of a ServiceNow source, split into conditions so that each can be checked.

An instance silently ignores the parts of a query that it does not understand and returns too many
rows; a strict one silently returns none.
"""

import re
from collections.abc import Callable

# These would change the meaning of the paging conditions, or the order of the pages.
REFUSED = {
    "NQ": "use two sources, or ^OR",
    "ORDERBY": "rows come by sys_id",
    "GROUPBY": "rows are not grouped",
    "RLQUERY": "related lists cannot be queried",
}
FIELD = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
# Two carets stand for one inside a value.
CARET = "\0"

NOBODY = "sys_idISEMPTY"
EVERYBODY = "sys_idISNOTEMPTY"


def conditions(query: str) -> list[str]:
    """Return the single conditions of a query, without their ^OR.

    Raises:
        ValueError: names what cannot be used here.
    """
    found = []
    for part in query.replace("^^", CARET).split("^"):
        for word, remedy in REFUSED.items():
            if part.startswith(word):
                raise ValueError(f"query: ^{word} cannot be used here: {remedy}")
        condition = part.removeprefix("OR")
        if condition in ("", "EQ"):
            continue
        if not FIELD.match(condition):
            raise ValueError("query: every condition must begin with the name of a field")
        found.append(condition.replace(CARET, "^^"))
    if query and query.startswith("OR"):
        raise ValueError("query: ^OR needs a condition before it")
    return found


def field_of(condition: str) -> str:
    """Return the field that a condition is about."""
    match = FIELD.match(condition)
    return match[0] if match else ""


def joined(*parts: str) -> str:
    """Return conditions joined so that all must hold; empty ones are left out."""
    return "^".join(part for part in parts if part)


def ignored(listed: list[str], count: Callable[[str], int]) -> list[str]:
    """Return the fields whose condition the instance ignores, found by counting.

    A condition that is understood finds the same rows with "or nobody" added, and all rows with
    "or everybody" added. One that is ignored finds nobody in the first case; on a strict instance
    also in the second.
    """
    if not listed or not count(""):
        return []
    found = []
    for condition in listed:
        # Counted last: a row added between the counts must not make the condition look ignored.
        is_lenient = not count(f"{NOBODY}^OR{condition}") and count(condition) > 0
        if is_lenient or not count(f"{condition}^OR{EVERYBODY}"):
            found.append(field_of(condition))
    return found
