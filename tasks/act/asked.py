"""What a run of an action is asked to do. Light to import: commands check it first of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.errors import UsageError

PLAN: Final = "plan"
RUN: Final = "run"
# Longer than any name: such a file is not a list of targets.
LONGEST_NAME: Final = 1_024


@dataclass(frozen=True, slots=True)
class ActionAsked:
    """What a run is asked to do.

    Args:
        devices: names, uids or collector ids of devices; a person names them.
        file: a list of targets: a device or a person a line, `device,person` for workflows.
        parameters: of the action; they add to those of its YAML and override them.
        who: who asks for it, which approves the plan together with `why`.
        why: the reason, which is kept.
        ticket: travels with the request as its external reference.
        dry_run: send nothing, even if the YAML would.
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
            raise UsageError("who and why go together: both are kept as the approval")
        if self.devices and self.file:
            raise UsageError("give devices or a file of targets, not both")

    @property
    def names_targets(self) -> bool:
        """Whether targets are named."""
        return bool(self.devices) or self.file is not None


def read_names(file: Path) -> list[tuple[str, str]]:
    """Read a list of targets: the first two fields of each line; blank lines are left out.

    Raises:
        UsageError: it cannot be read, is no text, or names nobody.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise UsageError(f"{file}: {reason}") from None
    lines = [line.replace("\t", ",").split(",") for line in text.splitlines()]
    found = [(line[0].strip(), line[1].strip() if len(line) > 1 else "") for line in lines]
    found = [pair for pair in found if any(pair)]
    if not found:
        raise UsageError(f"{file}: names nobody")
    if any(len(name) > LONGEST_NAME or "\0" in name for pair in found for name in pair):
        raise UsageError(f"{file}: is no list of targets, one a line")
    return found
