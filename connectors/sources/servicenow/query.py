"""The encoded query of a ServiceNow source: read into conditions, so that each can be checked.

An instance ignores what it does not understand of a query and answers with too many rows; one
set to be strict answers with none. Neither says so.
"""

import re
from collections.abc import Callable

# They would change what the conditions for paging mean, or the order of the pages.
REFUSED = {
    "NQ": "use two sources, or ^OR",
    "ORDERBY": "rows come by sys_id",
    "GROUPBY": "rows are not grouped",
    "RLQUERY": "related lists cannot be asked",
}
FIELD = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
# Two carets are one within a value.
CARET = "\0"

NOBODY = "sys_idISEMPTY"
EVERYBODY = "sys_idISNOTEMPTY"


def conditions(query: str) -> list[str]:
    """Give the single conditions of a query, without their ^OR.

    Raises:
        ValueError: with what cannot be used here.
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
            raise ValueError("query: every condition begins with the name of a field")
        found.append(condition.replace(CARET, "^^"))
    if query and query.startswith("OR"):
        raise ValueError("query: ^OR needs a condition before it")
    return found


def field_of(condition: str) -> str:
    """Name the field that a condition is about."""
    match = FIELD.match(condition)
    return match[0] if match else ""


def joined(*parts: str) -> str:
    """Join conditions that must all hold, leaving empty ones out."""
    return "^".join(part for part in parts if part)


def ignored(listed: list[str], count: Callable[[str], int]) -> list[str]:
    """Name the fields whose condition the instance ignores, found by counting.

    A condition that is understood finds the same rows when "or nobody" is added to it, and all
    rows when "or everybody" is. One that is ignored finds nobody in the first case, and, on a
    strict instance, nobody in the second.
    """
    if not listed or not count(""):
        return []
    found = []
    for condition in listed:
        # Counted last: a row that comes meanwhile must not make it seem ignored.
        is_lenient = not count(f"{NOBODY}^OR{condition}") and count(condition) > 0
        if is_lenient or not count(f"{condition}^OR{EVERYBODY}"):
            found.append(field_of(condition))
    return found
