"""Reading settings from variables, and listing all problems without showing a value.

Every variable may instead be set as `NAME_FILE`, the path of a file that holds the value.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


def variable_name(prefix: str, field: str) -> str:
    """Return a field's name as the user wrote it: NXP_LAKE, or a profile's key."""
    return f"{prefix}{field.upper()}" if prefix.isupper() else f"{prefix}{field}"


def read_values(
    environ: Mapping[str, str], prefix: str, fields: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """Return the values of some fields from variables or their files, and what is unreadable."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for field in fields:
        variable = f"{prefix}{field.upper()}"
        if environ.get(variable):
            values[field] = environ[variable]
        elif path := environ.get(f"{variable}_FILE"):
            try:
                values[field] = Path(path).expanduser().read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                problems.append(f"{variable}_FILE: cannot read the file {path}")
    return values, problems


def build(model: type[Model], values: dict[str, str], problems: list[str], prefix: str) -> Model:
    """Return a settings object.

    Raises:
        ConfigurationError: with every problem, the ones passed in included.
    """
    try:
        built = model.model_validate(values)
    except ValidationError as error:
        problems += [_describe(problem, prefix) for problem in error.errors(include_input=False)]
    else:
        if not problems:
            return built
    raise ConfigurationError("settings", problems=tuple(problems)) from None


def _describe(problem: Any, prefix: str) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(text)
    variable = variable_name(prefix, str(problem["loc"][0]))
    return f"{variable}: not set" if problem["type"] == "missing" else f"{variable}: {text}"
