"""What is asked of a run of an action. Light to import: commands check it before anything else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.errors import UsageError

PLAN: Final = "plan"
RUN: Final = "run"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a run.

    Args:
        devices: names, uids or collector ids of devices; a person names them.
        file: a list of targets: a device or a person a line, `device,person` for workflows.
        parameters: of the action, beside and above those of its YAML.
        who: who asks for it, which approves the plan together with `why`.
        why: the reason, which is kept.
        ticket: travels with the request as its external reference.
        dry_run: send nothing, whatever the YAML says.
        wait: wait for outcomes, as long as the YAML says.
    """

    devices: tuple[str, ...] = ()
    file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    who: str | None = None
    why: str | None = None
    ticket: str | None = None
    dry_run: bool = False
    wait: bool = True

    def __post_init__(self) -> None:
        if bool((self.who or "").strip()) != bool((self.why or "").strip()):
            raise UsageError("--who NAME and --why TEXT go together: both are kept as the approval")
        if self.devices and self.file:
            raise UsageError("--device or --targets FILE, not both")

    @property
    def names_targets(self) -> bool:
        """Whether targets are named."""
        return bool(self.devices) or self.file is not None
