"""What a run of a sync is asked to do. Light to import, since commands check it first."""

from dataclasses import dataclass
from typing import Final

from connectors.errors import UsageError
from tasks.sync.guards import Guard

PLAN: Final = "plan"
APPLY: Final = "apply"
SYNC: Final = "sync"
RETRY: Final = "retry"
UNDO: Final = "undo"
VERIFY: Final = "verify"
RETIRE: Final = "retire"


@dataclass(frozen=True, slots=True)
class SyncAsked:
    """What a run is asked to do.

    Args:
        full: pull all rows, even if the changes would be enough.
        accept_guards: names of guards that may trip.
        why: the reason for that; required with accept_guards, and only then.
        verify: read back afterwards, if the sync has a query for it.
        adopt: a sync whose values this one takes over first; its file is gone.
    """

    full: bool = False
    accept_guards: tuple[str, ...] = ()
    why: str | None = None
    verify: bool = True
    adopt: str | None = None

    def __post_init__(self) -> None:
        unknown = set(self.accept_guards) - {guard.value for guard in Guard}
        if unknown:
            known = ", ".join(Guard)
            raise UsageError(f"unknown guard {', '.join(sorted(unknown))}: the guards are {known}")
        if bool(self.accept_guards) != bool((self.why or "").strip()):
            raise UsageError("accept_guards needs why, and why needs accept_guards: both are kept")

    @property
    def accepted(self) -> dict[str, str]:
        """Why each accepted guard may trip."""
        return dict.fromkeys(self.accept_guards, (self.why or "").strip())

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The guards that may trip."""
        return tuple(Guard(name) for name in self.accept_guards)
