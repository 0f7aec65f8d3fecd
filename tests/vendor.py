"""The vendor's OpenAPI files, with the two corrections that real tenants make necessary."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "nexthink" / "openapi"
NAMES = ("nql", "enrichment", "remote-actions", "workflows", "campaigns")
ABSENT = f"the vendor's OpenAPI files are not in {FOLDER}: answers are not held against them"

_TRIGGERS = ("apiEnabled", "manualEnabled", "manualAllowMultipleInstances", "schedulingEnabled")


def is_here() -> bool:
    """Say whether the files are there: they are no part of this repository."""
    return FOLDER.is_dir()


def specification(name: str) -> dict[str, Any]:
    """Return one file, corrected."""
    file = FOLDER / f"{name}.openapi.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    schemas = loaded["components"]["schemas"]
    if name == "nql":
        # Published: every cell an object. Real tenants send scalars. OpenAPI 3.0 has no list of
        # types, so "anything that is no container" is said the other way round.
        rows = schemas["NqlApiExecuteResponse"]["properties"]["data"]["items"]
        rows["items"] = {"not": {"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]}}
    if name == "workflows":
        # Published: a workflow inside each workflow, without end.
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
