"""Reading settings from variables, and listing all problems without showing a value.

Every variable may instead be set as `NAME_FILE`, the path of a file that holds the value.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.errors import ConfigurationError
from connectors.text_files import read_text

# Also text in UTF-16 without a byte order mark, which has a NUL in each letter.
CONTROL = re.compile("[\x00-\x1f\x7f]")
Model = TypeVar("Model", bound=BaseModel)
EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


def variable_name(prefix: str, field: str) -> str:
    """Return a field's name as the user wrote it: NXP_LAKE, or a profile's key."""
    return f"{prefix}{field.upper()}" if prefix.isupper() else f"{prefix}{field}"


def read_values(
    environ: Mapping[str, str],
    prefix: str,
    fields: Mapping[str, Any],
    names: Mapping[str, str] = EMPTY,
) -> tuple[dict[str, str], list[str]]:
    """Return the values of some fields from variables or their files, and what is unreadable.

    Args:
        environ: the variables.
        prefix: of their names.
        fields: the rest of their names, in lower case.
        names: what messages call a field that is not set by its variable.
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    for field in fields:
        variable = f"{prefix}{field.upper()}"
        value, problem = read_value(environ, variable)
        if value:
            values[field] = value
        if problem:
            _, _, what = problem.partition(": ")
            problems.append(f"{names[field]}: {what}" if field in names else problem)
    return values, problems


def read_value(environ: Mapping[str, str], variable: str) -> tuple[str, str]:
    """Return the value of a variable or of its file, and what is wrong with it, each "" if none.

    White space around it is not part of it: files written on Windows leave a carriage return.
    """
    value = environ.get(variable, "").strip()
    if not value and (path := environ.get(f"{variable}_FILE", "").strip()):
        variable = f"{variable}_FILE"
        try:
            value = read_text(Path(path).expanduser()).strip()
        except UnicodeDecodeError:
            return "", f"{variable}: the file {path} is not text in UTF-8"
        except (OSError, ValueError, RuntimeError):
            return "", f"{variable}: cannot read the file {path}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "", f"{variable}: is not text in UTF-8"
    if CONTROL.search(value):
        return "", f"{variable}: must not contain line breaks or control characters"
    return value, ""


def build(
    model: type[Model],
    values: dict[str, str],
    problems: list[str],
    prefix: str,
    names: Mapping[str, str] = EMPTY,
) -> Model:
    """Return a settings object.

    Args:
        model: its class.
        values: by field.
        problems: what is known to be wrong already; what is found here is added.
        prefix: of the variables, or of a profile's keys.
        names: what messages call a field that is not set by its variable; under "" what they begin
            with where they are about several fields.

    Raises:
        ConfigurationError: with every problem, the ones passed in included.
    """
    try:
        built = model.model_validate(values)
    except ValidationError as error:
        problems += [
            _describe(problem, prefix, names) for problem in error.errors(include_input=False)
        ]
    else:
        if not problems:
            return built
    raise ConfigurationError("settings", problems=tuple(problems)) from None


def _describe(problem: Any, prefix: str, names: Mapping[str, str]) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{names.get('', '')}{text}"
    field = str(problem["loc"][0])
    variable = names.get(field) or variable_name(prefix, field)
    return f"{variable}: not set" if problem["type"] == "missing" else f"{variable}: {text}"
