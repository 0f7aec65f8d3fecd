"""What a check finds, and how checks are run so that one that fails does not hide the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connectors.errors import PipelineError


class Level(StrEnum):
    """How bad it is: only what fails ends in an exit code."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was seen, what to do. `code` is that of a failure."""

    level: Level
    check: str
    what: str
    do: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A name, and what looks; it gives findings, or raises what a run would raise."""

    name: str
    look: Callable[[], Iterable[Finding]]


def ok(check: str, what: str) -> Finding:
    """Say that all is well."""
    return Finding(Level.OK, check, what)


def warn(check: str, what: str, do: str) -> Finding:
    """Say what may become a problem."""
    return Finding(Level.WARN, check, what, do)


def fail(check: str, what: str, do: str, code: int) -> Finding:
    """Say what is wrong, with the exit code that a run would end with because of it."""
    return Finding(Level.FAIL, check, what, do, code)


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks; an error of one is its finding."""
    for check in checks:
        try:
            yield from check.look()
        except PipelineError as error:
            yield fail(check.name, " ".join(str(error).split()), "", error.exit_code)


def exit_code(findings: Iterable[Finding]) -> int:
    """Give the code of the first failure; 0 without one."""
    return next((each.code for each in findings if each.level is Level.FAIL), 0)
