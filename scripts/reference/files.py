"""docs/reference/files.md: each key of the YAML files of a project, from their JSON Schemas."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nxp.editors.files import KINDS
from nxp.editors.schemas import schema_of
from scripts.reference.markdown import code, made_by, table

_BEGINNING: Final = f"""\
# YAML files of a project

Every key of a dataset, a sync, an action, prefect.yaml and automations.yaml: its type, its default
and what it means. {made_by("files")}

Editors show the same while you write: `nxp schema print` makes the JSON Schemas, and the first line
of each file of the library names its own. An unknown key is an error that names the file and the
key. Durations are `15min`, `6h` or `30d`. How to write the files: [a dataset](../howto/dataset.md),
[a sync](../howto/sync.md), [an action](../howto/action.md).
"""
_PLAIN: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}
_NULL: Final = {"type": "null"}


def page() -> str:
    """Return the text of docs/reference/files.md."""
    lines = [_BEGINNING]
    for kind, title in KINDS.items():
        lines += _File(kind, schema_of(kind)).lines(title)
    return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True, slots=True)
class _File:
    kind: str
    schema: Mapping[str, Any]

    def lines(self, title: str) -> Iterator[str]:
        yield from (f"## {title}", "", *self._object(self.schema))
        for name, each in sorted(self._parts.items()):
            if "properties" in each:
                yield from (f"### {self.kind}: {_spelt(name)}", "", *self._object(each))

    @property
    def _parts(self) -> Mapping[str, Any]:
        parts: Mapping[str, Any] = self.schema.get("$defs", {})
        return parts

    def _object(self, schema: Mapping[str, Any]) -> Iterator[str]:
        if text := schema.get("description"):
            yield from (text, "")
        required = schema.get("required", ())
        rows = (
            (
                code(name),
                self._type(each),
                "required" if name in required else _default(each.get("default")),
                each.get("description", ""),
            )
            for name, each in schema.get("properties", {}).items()
        )
        yield from table(("key", "type", "default", "meaning"), rows)
        yield ""

    def _type(self, schema: Mapping[str, Any]) -> str:
        if reference := schema.get("$ref"):
            return self._referred(reference.rpartition("/")[2])
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                choices = [self._type(each) for each in schema[several] if each != _NULL]
                return " or ".join(dict.fromkeys(choices))
        if "enum" in schema or "const" in schema:
            return ", ".join(code(str(each)) for each in schema.get("enum", [schema.get("const")]))
        return self._plain(schema)

    def _referred(self, name: str) -> str:
        of = self._parts[name]
        if "properties" not in of:
            return self._type(of)
        spelt = _spelt(name)
        return f"[{spelt}](#{self.kind}-{spelt.lower()})"

    def _plain(self, schema: Mapping[str, Any]) -> str:
        if schema.get("examples") == ["15min", "6h", "30d"]:
            return "duration"
        kind = schema.get("type")
        if kind == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        if kind == "object":
            inner = schema.get("additionalProperties")
            return f"names with {self._type(inner)}" if isinstance(inner, dict) else "mapping"
        return _PLAIN.get(str(kind), "anything")


def _default(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, dict):
        return "that of its keys"
    return code(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _spelt(name: str) -> str:
    return name.removesuffix("Specification").strip("_") or name
