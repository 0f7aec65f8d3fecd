"""`nxp nql lint`: what is wrong with the text of queries, without a tenant."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text, why_unreadable
from connectors.errors import ConfigurationError
from connectors.settings.installation import load_settings
from nql.linting import Diagnostic
from nql.linting import lint as find
from nxp.options import Json
from nxp.output import print_json, print_text, say

STANDARD_INPUT: Final = "-"
_STANDARD_INPUT: Final = Path(STANDARD_INPUT)


def lint(
    *file: Annotated[
        Path,
        Parameter(help="A file of NQL, or a folder; - reads stdin.", allow_leading_hyphen=True),
    ],
    as_json: Json = False,
) -> int:
    """Check queries without a tenant: line, column, what is wrong, and what may be meant.

    FILE may be a folder: all its .nql files are checked. With `-`, the query is read from standard
    input; without FILE too, but where nothing comes from there (a terminal, a job of cron or of a
    build), those of the project are checked. A name that
    is close to a known one is called misspelt; one that is close to none is only a note, since no
    list of a tenant's fields is complete. Text that this parser cannot read is reported as not
    understood: a tenant may take it. Exits with 3 if there is anything but notes.
    """
    found: dict[str, list[Diagnostic]] = {}
    unread: list[str] = []
    piped = b"" if file and _STANDARD_INPUT not in file else _piped(file)
    for path in _files(file, piped):
        name = "standard input" if path == _STANDARD_INPUT else str(path)
        try:
            is_piped = path == _STANDARD_INPUT
            found[name] = find(piped.decode("utf-8-sig") if is_piped else read_catalogue_text(path))
        except UNREADABLE as error:
            unread.append(f"{path}: {why_unreadable(error)}")
    if as_json:
        print_json([{"file": name} | _plain(each) for name in found for each in found[name]])
    else:
        for name, findings in found.items():
            for each in findings:
                print_text(f"{name}:{_place(each)}{each.verdict}: {each.worded}")
    if unread:
        sys.stdout.flush()
        raise ConfigurationError("files", problems=tuple(unread))
    serious = sum(not each.is_note for findings in found.values() for each in findings)
    queries = f"{len(found)} {'query' if len(found) == 1 else 'queries'}"
    say(f"{queries}: {serious or 'no'} {'problem' if serious == 1 else 'problems'}")
    return ConfigurationError.exit_code if serious else 0


def _piped(named: tuple[Path, ...]) -> bytes:
    """Return what comes from standard input; a terminal is only read if `-` asks for it."""
    return b"" if not named and sys.stdin.isatty() else sys.stdin.buffer.read()


def _files(named: tuple[Path, ...], piped: bytes) -> Iterator[Path]:
    """Yield the files that are named, those of folders in the order of their names."""
    if not named:
        named = (_STANDARD_INPUT if piped.strip() else load_settings().catalog / "queries",)
    for path in named:
        if path.is_dir():
            yield from sorted(path.glob("*.nql"))
        else:
            yield path


def _place(finding: Diagnostic) -> str:
    return f"{finding.line}:{finding.column}: " if finding.line else " "


def _plain(finding: Diagnostic) -> dict[str, object]:
    return asdict(finding) | {"verdict": finding.verdict.value, "note": finding.is_note}
