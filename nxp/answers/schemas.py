"""JSON Schemas of what the commands print with `--json`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from nxp.answers.operations import Operation

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Printed(GenerateJsonSchema):
    """Schemas of values that are printed with all their fields."""

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ARG002 - pydantic's signature
        """Return that it is there, even if it has a default."""
        return True


@dataclass(frozen=True, slots=True)
class AnswerField:
    """One field of an answer, found in its schema.

    `path` is like `requests[].state`; `source` and `detail` are empty where nothing is said.
    """

    path: str
    type: str
    description: str
    source: str
    detail: str


def schema_of(operation: Operation) -> dict[str, Any]:
    """Return the JSON Schema of what the command of an operation prints with `--json`."""
    found = TypeAdapter(operation.answer).json_schema(
        by_alias=False, schema_generator=_Printed, mode="serialization"
    )
    title = f"nxp {operation.command} --json"
    return {"$schema": DIALECT} | found | {"title": title}


def fields_of(schema: dict[str, Any]) -> list[AnswerField]:
    """Return the fields of an answer, those of nested objects after the field that holds them."""
    found = _fields(schema, schema.get("$defs", {}), "")
    # A field of several forms of an answer is the same in all of them.
    return list({field.path: field for field in found}.values())


def _fields(
    schema: dict[str, Any], definitions: dict[str, Any], path: str
) -> Iterator[AnswerField]:
    for form in _forms(schema, definitions):
        if form.get("type") == "array" and isinstance(form.get("items"), dict):
            yield from _fields(form["items"], definitions, f"{path}[]")
        prefix = f"{path}." if path else ""
        for name, field in form.get("properties", {}).items():
            yield AnswerField(
                f"{prefix}{name}",
                _type(field, definitions),
                field.get("description", ""),
                field.get("x-source", ""),
                field.get("x-detail", ""),
            )
            yield from _fields(field, definitions, f"{prefix}{name}")


def _forms(schema: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas that a value may have, with references followed."""
    if reference := schema.get("$ref"):
        return _forms(definitions[reference.rpartition("/")[2]], definitions)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [form for each in choices for form in _forms(each, definitions)] or [schema]


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the types of a field in a word or two."""
    words = []
    for form in _forms(schema, definitions):
        word = form.get("type", "any")
        if word == "array":
            word = f"array of {_type(form.get('items', {}), definitions)}"
        if constant := form.get("const"):
            word = f"`{constant}`"
        elif "enum" in form:
            word = ", ".join(f"`{each}`" for each in form["enum"])
        words.append(word)
    return " or ".join(dict.fromkeys(words))
