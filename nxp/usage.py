"""What is wrong with a command's words, in sentences that name what the command takes."""

from pathlib import Path

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnusedCliTokensError,
)
from cyclopts.argument import Argument

_TYPES = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def in_words(error: CycloptsError, command: str) -> str:
    """Return what was wrong with the words of a command, and how to see what it takes.

    Args:
        error: what the command line was refused with.
        command: as a person types it, such as `nxp act plan`.
    """
    return f"{_said(error, command) or error} (see {command} --help)"


def _said(error: CycloptsError, command: str) -> str | None:
    """Return a sentence for the usual mistakes; None for others, which the parser describes."""
    if isinstance(error, UnusedCliTokensError):
        return _too_many(error.unused_tokens or [], command)
    if isinstance(error, MissingArgumentError) and error.argument and not error.tokens_so_far:
        option = error.keyword or next(
            (token.keyword for token in error.argument.tokens if token.keyword), None
        )
        return f"{option} needs a value" if option else f"{command} needs {_name(error.argument)}"
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} is given more than once"
    if isinstance(error, CoercionError) and error.token and error.target_type in _TYPES:
        name = error.token.keyword or (_name(error.argument) if error.argument else "the value")
        return f'{name} takes {_TYPES[error.target_type]}, not "{error.token.value}"'
    return None


def _too_many(words: list[str], command: str) -> str:
    listed = ", ".join(f'"{word}"' for word in words)
    hint = ": put the query in quotes" if command == "nxp sql" else ""
    return f"{listed} {'is' if len(words) == 1 else 'are'} more than {command} takes{hint}"


def _name(argument: Argument) -> str:
    """Return an argument as help shows it: in capitals if it has a place instead of a name."""
    is_placed = argument.index is not None
    return argument.name.lstrip("-").upper() if is_placed else argument.name
