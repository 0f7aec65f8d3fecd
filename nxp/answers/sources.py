"""Where a field of an answer comes from: each function describes one field for its JSON Schema.

In a schema, `x-source` is one of the words of `FieldSource`, and `x-detail` names the field of the
API or says how the value is derived.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field


class FieldSource(StrEnum):
    """The kinds of sources."""

    API = "api"
    DERIVED = "derived"
    NXP = "nxp"
    NOT_PROVIDED = "not provided"


def api(field: str, description: str = "") -> Any:
    """Describe a field that the tenant sends, under the API's own name for it."""
    return _described(FieldSource.API, field, description)


def derived(how: str, description: str = "") -> Any:
    """Describe a field that the tenant does not send and that follows from something else."""
    return _described(FieldSource.DERIVED, how, description)


def ours(description: str) -> Any:
    """Describe a field that nxp itself knows: from its journal, its files or the command."""
    return _described(FieldSource.NXP, "", description)


def absent(description: str) -> Any:
    """Describe a field that is always null because the API does not provide it."""
    return _described(FieldSource.NOT_PROVIDED, "", description)


def _described(source: FieldSource, detail: str, description: str) -> Any:
    extra: dict[str, Any] = {"x-source": source.value} | ({"x-detail": detail} if detail else {})
    return Field(description=description or None, json_schema_extra=extra)
