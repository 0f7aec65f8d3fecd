"""What a check finds, and how checks are run so that a failing one does not hide the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connectors.errors import PipelineError


class Level(StrEnum):
    """How bad a finding is: only a failure sets the exit code."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was checked, what was found, what to do. `code` is a failure's exit code."""

    level: Level
    check: str
    what: str
    do: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A name and a function that returns findings, or raises what a run would raise."""

    name: str
    look: Callable[[], Iterable[Finding]]


def ok(check: str, what: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(Level.OK, check, what)


def warn(check: str, what: str, *, do: str) -> Finding:
    """Return a finding that may become a problem."""
    return Finding(Level.WARN, check, what, do=do)


def fail(check: str, what: str, *, do: str, code: int) -> Finding:
    """Return a failure, with the exit code that a run would end with because of it."""
    return Finding(Level.FAIL, check, what, do=do, code=code)


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks and yield their findings; an error raised by a check becomes its finding."""
    for check in checks:
        try:
            yield from check.look()
        except PipelineError as error:
            yield fail(check.name, " ".join(str(error).split()), do="", code=error.exit_code)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the code of the first failure, or 0 without one."""
    return next((each.code for each in findings if each.level is Level.FAIL), 0)
