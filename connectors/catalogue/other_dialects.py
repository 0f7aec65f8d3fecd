"""Functions of other SQL dialects, and what to write instead of them in Polars SQL."""

import re
from collections.abc import Mapping
from typing import Final

_UNKNOWN: Final = re.compile(r"unsupported function '(\w+)'")
_OTHERWISE: Final = "docs/transforms.md names what there is; a transform in Python can do more"
_PART: Final = r"REGEXP_REPLACE(x, '^.*?(\d+).*$', '\1')"
_FOUND: Final = "STRPOS(x, 'a')"
_FORM: Final = "STRFTIME(t, '%Y-%m-%d')"
_COUNT: Final = "ARRAY_LENGTH(items)"
_BETWEEN: Final = "t - u"
# What does the same with a text x, whole numbers n and m, times t and u, or a list items.
INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("regexp_extract", "regexp_substr", "regexp_match", "substring_regexp"), _PART),
    **dict.fromkeys(("instr", "locate", "charindex"), _FOUND),
    **dict.fromkeys(("datediff", "date_diff", "timestampdiff", "age"), _BETWEEN),
    **dict.fromkeys(("date_format", "to_char", "format_date"), _FORM),
    **dict.fromkeys(("array_size", "cardinality", "list_length", "size"), _COUNT),
    **dict.fromkeys(("list_contains", "array_has"), "ARRAY_CONTAINS(items, 'a')"),
    **dict.fromkeys(("split", "string_split"), "STRING_TO_ARRAY(x, ',')"),
    **dict.fromkeys(("to_date", "str_to_date"), "DATE(x, '%Y-%m-%d')"),
    **dict.fromkeys(("nvl", "isnull"), "COALESCE(x, 'a')"),
    **dict.fromkeys(("iff", "iif"), "CASE WHEN n > 1 THEN 'a' ELSE 'b' END"),
    "contains": "x LIKE '%a%'",
    "dateadd": "t + INTERVAL '1 day'",
    "date_add": "t + INTERVAL '1 day'",
    "len": "LENGTH(x)",
    "rlike": "x ~ 'a'",
    "safe_divide": "n / NULLIF(m, 0)",
}


def advised(message: str) -> str:
    """Return what Polars says of a function that it does not have, with what to write instead."""
    match = _UNKNOWN.match(message)
    if match is None:
        return message
    instead = INSTEAD.get(match[1].lower())
    return f"{match[0]}: {f'write {instead}' if instead else _OTHERWISE}"
