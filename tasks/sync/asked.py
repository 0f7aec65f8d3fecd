"""What a run of a sync is asked to do. Light to import: commands check it first of all."""

from dataclasses import dataclass
from typing import Final

from connectors.errors import UsageError
from tasks.sync.guards import Guard

PLAN: Final = "plan"
APPLY: Final = "apply"
SYNC: Final = "sync"
RETRY: Final = "retry"
VERIFY: Final = "verify"


@dataclass(frozen=True, slots=True)
class SyncAsked:
    """What a run is asked to do.

    Args:
        full: pull all rows, even if the changes would do.
        accept_guards: names of guards that may trip.
        why: the reason for that; needed with them, and only then.
        verify: read back afterwards, if the sync has a query for it.
    """

    full: bool = False
    accept_guards: tuple[str, ...] = ()
    why: str | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.accept_guards) - {guard.value for guard in Guard}
        if unknown:
            known = ", ".join(Guard)
            raise UsageError(f"no guard {', '.join(sorted(unknown))}: there are {known}")
        if bool(self.accept_guards) != bool((self.why or "").strip()):
            raise UsageError("accept_guards need why, and why needs a guard: both are kept")

    @property
    def accepted(self) -> dict[str, str]:
        """Why each accepted guard may trip."""
        return dict.fromkeys(self.accept_guards, (self.why or "").strip())

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The guards that may trip."""
        return tuple(Guard(name) for name in self.accept_guards)
