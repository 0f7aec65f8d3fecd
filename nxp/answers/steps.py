"""What a tenant needs before something is exported, as `nxp check --json` prints it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a step was done, as far as it can be seen from here."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a tenant needs, and what to do for it, with the page to open."""

    step: str
    state: State
    do: str
