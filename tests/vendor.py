"""The vendor's OpenAPI files, with the two corrections that real tenants make necessary."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft4Validator

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "nexthink" / "openapi"
NAMES = (
    "nql",
    "enrichment",
    "remote-actions",
    "workflows",
    "campaigns",
    "data-management",
    "spark",
)
ABSENT = f"the vendor's OpenAPI files are not in {FOLDER}: answers are not held against them"

_TRIGGERS = ("apiEnabled", "manualEnabled", "manualAllowMultipleInstances", "schedulingEnabled")


def is_here() -> bool:
    """Return whether the files are present; they are not part of this repository."""
    return FOLDER.is_dir()


def specification(name: str) -> dict[str, Any]:
    """Return one file, corrected."""
    file = FOLDER / f"{name}.openapi.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    schemas = loaded["components"]["schemas"]
    if name == "nql":
        # Published: every cell is an object. Real tenants send scalars. OpenAPI 3.0 has no list of
        # types, so "anything but a container" has to be written as a negation.
        rows = schemas["NqlApiExecuteResponse"]["properties"]["data"]["items"]
        rows["items"] = {"not": {"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]}}
    if name == "workflows":
        # Published: each workflow contains a workflow, endlessly.
        published = schemas["Workflow"]["properties"]
        published["triggerMethods"] = _object({name: {"type": "boolean"} for name in _TRIGGERS})
        published["versions"]["items"] = _object(
            {
                "version": {},
                "status": {"type": "string"},
                "definition": {},
                "parameters": {},
                "valid": {"type": "boolean"},
                "hasDevice": {"type": "boolean"},
                "hasUser": {"type": "boolean"},
            }
        )
    return loaded


def operations(name: str) -> list[tuple[str, str]]:
    """Return the operations of one file as (method, path)."""
    paths = specification(name)["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": sorted(properties), "properties": properties}


def documented(name: str) -> set[tuple[str, str, int]]:
    """Return every (method, path, status) that one file documents."""
    paths = specification(name)["paths"]
    return {
        (method, path, int(status))
        for method, path in operations(name)
        for status in paths[path][method]["responses"]
    }


def judge(name: str, method: str, path: str, response: httpx.Response) -> None:
    """Fail unless the status is documented and the body fits its schema."""
    loaded = specification(name)
    answers = loaded["paths"][path][method]["responses"]
    assert str(response.status_code) in answers, response.status_code
    content = answers[str(response.status_code)].get("content")
    if not content:
        return
    kind = response.headers["content-type"].partition(";")[0]
    assert kind in content
    if kind == "application/json":
        schema = content[kind]["schema"] | {"components": loaded["components"]}
        Draft4Validator(_with_null(schema)).validate(response.json())


def _with_null(node: Any) -> Any:
    """Return a schema with OpenAPI's `nullable` translated to JSON Schema."""
    if isinstance(node, list):
        return [_with_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _with_null(value) for key, value in node.items()}
    if changed.pop("nullable", False) is True:
        changed["type"] = [changed["type"], "null"]
        if "enum" in changed:
            changed["enum"] = [*changed["enum"], None]
    return changed


def judge_request(name: str, method: str, path: str, body: Any) -> None:
    """Fail unless a body fits the schema of its operation."""
    loaded = specification(name)
    if name == "enrichment":
        # Published: exactly one of text, number and date. A date is also a text, so no date would
        # be valid.
        value = loaded["components"]["schemas"]["Field"]["properties"]["value"]
        value["anyOf"] = value.pop("oneOf")
        # Published: placeholders in place of a tenant's own fields.
        names = loaded["components"]["schemas"]["Field"]["properties"]["name"]
        patterns = [re.sub("<[a-z_]+>", "[a-z_]+", each) for each in names.pop("enum")]
        names["pattern"] = f"^({'|'.join(patterns)})$"
    content = loaded["paths"][path][method]["requestBody"]["content"]["application/json"]
    Draft4Validator(content["schema"] | {"components": loaded["components"]}).validate(body)
