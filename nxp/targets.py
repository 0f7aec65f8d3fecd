"""The targets of a raw command, as a person names them: by options, in a file or on stdin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink.acting.requests import DeviceIds, UserIds
from tasks.act.target_files import STDIN, read_lines

_HELP: Final = f"A file with one a line; {STDIN} reads stdin."
TargetFile = Annotated[str | None, Parameter(allow_leading_hyphen=True, help=_HELP)]


@dataclass(frozen=True, slots=True)
class Targets:
    """The named targets, each once and in order, and how many repetitions were dropped."""

    names: Sequence[str]
    duplicates: int = 0


def read_targets(named: Iterable[str], file: str | None, options: str) -> Targets:
    """Return the targets that options name and a file lists, without blanks and repetitions.

    Args:
        named: by options.
        file: a path, or - for stdin.
        options: what the two options are called, for the error message.

    Raises:
        UsageError: no target is named, or the file cannot be read. The message quotes no line.
    """
    given = [*named, *(_lines(file) if file else ())]
    stripped = [name for each in given if (name := each.strip())]
    if not stripped and (given or file):
        raise UsageError(f"{options}: no target is named")
    once: dict[str, str] = {}
    for name in stripped:
        once.setdefault(name.lower(), name)
    return Targets(list(once.values()), len(stripped) - len(once))


def read_device_ids(names: Sequence[str]) -> list[DeviceIds]:
    """Return the ids written as name=, uid= or collector=; an error shows only the position."""
    kinds = {"name": "name", "uid": "uid", "collector": "collector_uid"}
    return [DeviceIds(**ids) for ids in _ids("device", names, kinds)]


def read_user_ids(names: Sequence[str]) -> list[UserIds]:
    """Return the ids written as sid=, upn= or uid=; an error shows only the position."""
    kinds = {"sid": "sid", "upn": "upn", "uid": "uid"}
    return [UserIds(**ids) for ids in _ids("user", names, kinds)]


def _ids(what: str, names: Sequence[str], kinds: dict[str, str]) -> Iterable[dict[str, str]]:
    for position, each in enumerate(names):
        kind, equals, value = each.partition("=")
        if kind not in kinds or not equals or not value:
            known = ", ".join(f"{kind}=" for kind in kinds)
            raise UsageError(f"{what} {position} is not one of {known} followed by a value")
        yield {kinds[kind]: value}


def _lines(file: str) -> list[str]:
    return read_lines(None if file == STDIN else Path(file))
