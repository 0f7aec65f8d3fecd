"""Who is acted on, as a person names them: options, a file or stdin, one a line."""

import codecs
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink import DeviceIds, UserIds

STDIN: Final = "-"
_HELP: Final = "one a line; - reads stdin"
TargetFile = Annotated[str | None, Parameter(allow_leading_hyphen=True, help=_HELP)]

# Windows tools write UTF-16 at times; both begin with a mark that says which.
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class Targets:
    """Who is named, each once, in order, and how many more times than once."""

    names: Sequence[str]
    duplicates: int = 0


def read_targets(named: Iterable[str], file: str | None, options: str) -> Targets:
    """Take what options name and what a file lists, blank lines left out and each only once.

    Args:
        named: from the options.
        file: its path, or - for stdin.
        options: how the two are called, for the error.

    Raises:
        UsageError: nobody is named, or the file cannot be read. It never quotes a line.
    """
    given = [*named, *(_lines(file) if file else ())]
    stripped = [name for each in given if (name := each.strip())]
    if not stripped and (given or file):
        raise UsageError(f"{options}: names nobody")
    once: dict[str, str] = {}
    for name in stripped:
        once.setdefault(name.lower(), name)
    return Targets(list(once.values()), len(stripped) - len(once))


def read_device_ids(names: Sequence[str]) -> list[DeviceIds]:
    """Read name=, uid= or collector=; a UsageError tells the position only."""
    kinds = {"name": "name", "uid": "uid", "collector": "collector_uid"}
    return [DeviceIds(**ids) for ids in _ids("device", names, kinds)]


def read_user_ids(names: Sequence[str]) -> list[UserIds]:
    """Read sid=, upn= or uid=; a UsageError tells the position only."""
    kinds = {"sid": "sid", "upn": "upn", "uid": "uid"}
    return [UserIds(**ids) for ids in _ids("user", names, kinds)]


def _ids(what: str, names: Sequence[str], kinds: dict[str, str]) -> Iterable[dict[str, str]]:
    for position, each in enumerate(names):
        kind, equals, value = each.partition("=")
        if kind not in kinds or not equals or not value:
            known = ", ".join(f"{kind}=" for kind in kinds)
            raise UsageError(f"{what} {position} begins with none of {known} and a value")
        yield {kinds[kind]: value}


def _lines(file: str) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return content.decode(_MARKS.get(content[:2], "utf-8-sig")).splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is no text in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None
