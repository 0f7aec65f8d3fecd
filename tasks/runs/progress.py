"""Telling how far a run is, to whoever listens: the command's progress bars, or nobody."""

from dataclasses import dataclass

from connectors.listeners import Listeners

LANDED = "landed"
SKIPPED = "landed by another run"
FAILED = "failed"
STOPPING = "stopping when they have ended; once more to stop at once"
ENDS = (LANDED, SKIPPED, FAILED)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit is: `stage` is what is being done, one of ENDS at the end; `done` counts."""

    dataset: str
    unit: str
    stage: str
    done: int = 0


_PROGRESS: Listeners[Progress] = Listeners()
tell = _PROGRESS.tell
listening = _PROGRESS.listening
