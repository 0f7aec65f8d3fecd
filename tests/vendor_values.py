"""Values that the vendor's OpenAPI files allow: requests and answers for property tests."""

import re
from typing import Any

from hypothesis import strategies as st

from tests import vendor

# Long enough to find errors that short lists hide, short enough for hundreds of examples.
MOST_ITEMS = 4
_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_NAMES = st.text("abcXYZ_9", min_size=1, max_size=6)
_IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).filter(
    lambda text: text.strip(".")
)
# The files allow any text as an id that the tenant gives, and any number as a time; no tenant does.
_REALISTIC: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("requestId", "requestUuid", "exportId"), _IDS),
    "executionsUuids": st.lists(_IDS, min_size=1, max_size=MOST_ITEMS),
    "timeoutSeconds": st.integers(0, 500_000),
    "expiresInMinutes": st.integers(1, 10_080),
}


def requests(name: str, method: str, path: str) -> st.SearchStrategy[Any]:
    """Generate bodies that are valid requests of an operation."""
    loaded = vendor.specification(name)
    content = loaded["paths"][path][method]["requestBody"]["content"]["application/json"]
    return values(content["schema"], loaded)


def answers(name: str, method: str, path: str, status: int) -> st.SearchStrategy[Any]:
    """Generate bodies that are valid answers with a status; None if the body is empty.

    Objects sometimes have extra fields, as in the answers of live tenants.
    """
    loaded = vendor.specification(name)
    answer = loaded["paths"][path][method]["responses"][str(status)]
    if not answer.get("content"):
        return st.none()
    return values(answer["content"]["application/json"]["schema"], loaded, more=True)


def values(
    schema: dict[str, Any], loaded: dict[str, Any], *, more: bool = False
) -> st.SearchStrategy[Any]:
    """Generate what a schema allows, for the kinds of schemas in these files."""
    if "$ref" in schema:
        return values(_named(schema["$ref"], loaded), loaded, more=more)
    if "allOf" in schema:
        merged = {key: value for part in schema["allOf"] for key, value in part.items()}
        return values(merged, loaded, more=more)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "discriminator" in schema:
        return _forms(schema, loaded, more)
    kinds = {"object": _objects, "array": _arrays}
    kind = schema.get("type")
    if kind in kinds:
        return kinds[kind](schema, loaded, more)
    return _scalars(schema)


def _named(reference: str, loaded: dict[str, Any]) -> dict[str, Any]:
    node: Any = loaded
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    found: dict[str, Any] = node
    return found


def _forms(schema: dict[str, Any], loaded: dict[str, Any], more: bool) -> st.SearchStrategy[Any]:
    """Generate objects of several forms, each with its word in the field that tells them apart."""
    told = schema["discriminator"]

    def form(word: str, reference: str) -> st.SearchStrategy[Any]:
        return values(_named(reference, loaded), loaded, more=more).map(
            lambda value: value | {told["propertyName"]: word}
        )

    return st.one_of(*(form(*each) for each in told["mapping"].items()))


def _objects(
    schema: dict[str, Any], loaded: dict[str, Any], more: bool
) -> st.SearchStrategy[dict[str, Any]]:
    if "additionalProperties" in schema:
        value = values(schema["additionalProperties"], loaded, more=more)
        most = schema.get("maxItems", MOST_ITEMS)
        return st.dictionaries(_NAMES, value, max_size=min(MOST_ITEMS, most))
    parts = {name: values(part, loaded, more=more) for name, part in schema["properties"].items()}
    if more:
        parts |= {name: part for name, part in _REALISTIC.items() if name in parts}
    required = {name: parts[name] for name in schema.get("required", ())}
    optional = {name: part for name, part in parts.items() if name not in required}
    known = st.fixed_dictionaries(required, optional=optional)
    if not more:
        return known
    extra = st.dictionaries(_NAMES.map("x".__add__), _SCALARS, max_size=2)
    return st.tuples(extra, known).map(lambda pair: pair[0] | pair[1])


def _arrays(
    schema: dict[str, Any], loaded: dict[str, Any], more: bool
) -> st.SearchStrategy[list[Any]]:
    least = schema.get("minItems", 0)
    return st.lists(
        values(schema["items"], loaded, more=more), min_size=least, max_size=least + MOST_ITEMS
    )


def _scalars(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if kind == "integer":
        return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
    if kind == "boolean":
        return st.booleans()
    return _texts(schema) if kind == "string" else _SCALARS


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        # `$` means the very end in these patterns, but in Python also before a final line feed.
        found = st.from_regex(re.compile(schema["pattern"], re.ASCII))
        return found.filter(lambda text: not text.endswith("\n"))
    if schema.get("format") == "uuid":
        return st.uuids().map(str)
    if schema.get("format") == "date-time":
        return st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
    # A lone surrogate cannot be written in UTF-8.
    return st.text(st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=20)
