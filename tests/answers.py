"""Answers of commands, checked against the schemas that ship."""

import json
from typing import Any

import jsonschema
import pytest

from nxp.answers.operations import OPERATIONS
from nxp.answers.schemas import schema_of


def validated(operation: str, text: str) -> Any:
    """Return what a command printed with `--json`; fail unless its schema describes all of it."""
    answer = json.loads(text)
    schema = closed(schema_of(OPERATIONS[operation]))
    errors = jsonschema.Draft202012Validator(schema).iter_errors(answer)
    if wrong := jsonschema.exceptions.best_match(errors):
        pytest.fail(f"{operation}, {wrong.json_path}: {wrong.message}")
    return answer


def closed(schema: Any) -> Any:
    """Return a schema that refuses fields it does not describe."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    is_open = "properties" not in schema or "additionalProperties" in schema
    return inner if is_open else {"additionalProperties": False} | inner
