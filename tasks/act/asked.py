"""What a run of an action is asked to do. Light to import, since commands check it first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connectors.errors import UsageError

if TYPE_CHECKING:
    from tasks.act.person import Person

PLAN: Final = "plan"
RUN: Final = "run"


@dataclass(frozen=True, slots=True)
class ActionAsked:
    """What a run is asked to do.

    Args:
        devices: names, uids or collector ids of devices that a person names.
        file: a list of targets: one device or person per line, or `device,person` for workflows.
        parameters: of the action; they add to those of its YAML and override them.
        who: who asks for it; together with `why`, this approves the plan.
        why: the reason; it is kept.
        ticket: travels with the request as its external reference.
        dry_run: send nothing, even if the YAML would.
        wait: wait for outcomes, as long as the YAML says.
        by: who asks; None: who has started this process.
    """

    devices: tuple[str, ...] = ()
    file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    who: str | None = None
    why: str | None = None
    ticket: str | None = None
    dry_run: bool = False
    wait: bool = True
    by: "Person | None" = None

    def __post_init__(self) -> None:
        if bool((self.who or "").strip()) != bool((self.why or "").strip()):
            raise UsageError("who and why go together: both are kept as the approval")
        if self.devices and self.file:
            raise UsageError("name devices or a file of targets, not both")

    @property
    def names_targets(self) -> bool:
        """Whether targets are named."""
        return bool(self.devices) or self.file is not None
