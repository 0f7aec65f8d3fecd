"""JSON Schemas made from the models that read the files, so that the two cannot differ.

To describe another kind of file, add its model to `_models`, and run `python -m nxp.editors`.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from connectors.catalogue.specification import DURATION_PATTERN, describe
from nxp.editors.files import KINDS, PROJECT
from nxp.editors.settings import project_schema

# Editors know no later one in all parts; `$defs` is only a place that references name.
DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_FIELDS: Final = re.compile(r"^(?:Args|Attributes):$", re.MULTILINE)
# The name of a field and what it is; the lines that follow are further in.
_FIELD: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class _Written(GenerateJsonSchema):
    """Schemas of values as people write them, with the words of the models' docstrings."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Return an object's schema, each property with what the docstrings say of it."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        made["description"] = _words(inspect.getdoc(model) or "")
        said = {name: text for each in reversed(model.__mro__) for name, text in _said(each)}
        for name, field in model.model_fields.items():
            known = made.get("properties", {}).get(field.alias or name)
            words = said.get(name) or said.get(field.alias or name)
            if known is not None and words:
                known["description"] = words
        return made

    def timedelta_schema(self, schema: Any) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's signature
        """Return the schema of a duration: as YAML has it, not as ISO 8601."""
        return {"type": "string", "pattern": DURATION_PATTERN, "examples": ["15min", "6h", "30d"]}

    def encode_default(self, dft: Any) -> Any:
        """Return a default value as it would be written."""
        return describe(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        """Return that no title repeats a field's name."""
        return False


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file."""
    if kind == PROJECT:
        made = project_schema()
    else:
        made = _plain(_models()[kind].model_json_schema(schema_generator=_Written))
    return {"$schema": DIALECT, **made, "title": KINDS[kind]}


def text_of(kind: str) -> str:
    """Return the JSON Schema of a kind of file as it is shipped."""
    return json.dumps(schema_of(kind), indent=1, ensure_ascii=False) + "\n"


def _models() -> Mapping[str, type[BaseModel]]:
    from connectors.actions.specification import ActionSpecification  # noqa: PLC0415 - httpx
    from connectors.catalogue import DatasetSpecification  # noqa: PLC0415
    from connectors.syncs.specification import SyncSpecification  # noqa: PLC0415 - databases
    from nxp.deployment.automations import AutomationsFile  # noqa: PLC0415 - Prefect
    from nxp.deployment.entries import DeploymentsFile  # noqa: PLC0415

    return {
        "dataset": DatasetSpecification,
        "sync": SyncSpecification,
        "action": ActionSpecification,
        "prefect": DeploymentsFile,
        "automations": AutomationsFile,
    }


def _said(model: type) -> Iterator[tuple[str, str]]:
    """Yield the fields that a class's own docstring names, and what it says of them."""
    _, *parts = _FIELDS.split(inspect.cleandoc(vars(model).get("__doc__") or ""))
    for part in parts:
        for name, text in _FIELD.findall(part):
            yield name, _sentence(text)


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line[:1].upper() + line[1:]


def _words(documentation: str) -> str:
    """Return a docstring without its list of fields, a line for each paragraph."""
    paragraphs = _FIELDS.split(documentation)[0].strip().split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _plain(schema: Any) -> Any:
    """Return a schema without what only OpenAPI knows, and without titles of classes."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    is_form = isinstance(schema.get("title"), str)
    return {
        key: _plain(value)
        for key, value in schema.items()
        if not (key == "title" and is_form)
        and not (key == "discriminator" and isinstance(value, dict) and "propertyName" in value)
    }
