"""docs/reference/errors.md: exit codes, and the errors behind them."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import connectors.errors
from connectors.errors import PipelineError
from nxp.cli import BUG, INTERRUPTED, STOPPED, TERMINATED, USAGE
from scripts.reference.markdown import code, made_by, table

_BEGINNING: Final = f"""\
# Errors and exit codes

Which exit code a command ends with, which errors are behind it, and what to do. An error is one
line on stderr; with `NXP_LOG=json` or `--json` it is a JSON object. {made_by("errors")}

Steps for each cause are in the [runbook](../operations.md#exit-codes). Errors of a flow of your own
are the classes below, from `connectors.errors`; they carry no body, token or personal data.

## Exit codes
"""
_CLASSES: Final = """
## Errors by exit code

An indented error is a special case of the one above it: catching that one catches both.
"""
# The codes that belong to no error class.
_OTHERS: Final[Mapping[int, str]] = {
    0: "everything was done",
    BUG: "a bug: run again with `NXP_DEBUG=1` and report it",
    USAGE: "the command is misspelt, or an option is",
    INTERRUPTED: f"Ctrl-C: {STOPPED}",
    TERMINATED: f"SIGTERM: {STOPPED}",
}
_LINE: Final = re.compile(r"^[│├└─ ]*(\w+Error) +(?:exit \d+ +)?(\S.*)$", re.MULTILINE)


def page() -> str:
    """Return the text of docs/reference/errors.md."""
    lines = [_BEGINNING, *table(("code", "means", "errors"), _codes()), _CLASSES]
    lines += table(("error", "exit code", "what happened", "what to do"), _errors())
    return "\n".join(lines) + "\n"


def _codes() -> Iterator[tuple[object, str, str]]:
    roots = _below(PipelineError)
    for exit_code in sorted({*_OTHERS, *(each.exit_code for each in roots)}):
        named = [each for each in roots if each.exit_code == exit_code]
        said = [_OTHERS.get(exit_code, ""), *(_first(each) for each in named)]
        errors = ", ".join(code(each.__name__) for each in named)
        yield exit_code, "; or ".join(filter(None, said)), errors


def _errors(
    parent: type[PipelineError] = PipelineError, depth: int = 0
) -> Iterator[tuple[str, object, str, str]]:
    todo = dict(_LINE.findall(connectors.errors.__doc__ or ""))
    for each in _below(parent):
        indent = "&emsp;" * depth
        said = todo[each.__name__]
        yield f"{indent}{code(each.__name__)}", each.exit_code, _first(each), said
        yield from _errors(each, depth + 1)


def _below(parent: type[PipelineError]) -> list[type[PipelineError]]:
    # Modules have special cases of their own, which no caller has to know.
    return [each for each in parent.__subclasses__() if each.__module__ == PipelineError.__module__]


def _first(error: type[PipelineError]) -> str:
    text = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return re.sub(r"`([^`]*)`", r"`\1`", text[:1].lower() + text[1:])
