"""Replays a run in a process of its own, and is killed on the way: a victim for tests.

Usage: python -m tests.replay_once DATASET RUN before|after; killed before or after publishing.
"""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from connectors.lake import Entry
from connectors.lake.landing import LakeLanding
from connectors.lake.stage import StagedFile
from tasks.stories.replay import open_replay, replay


class KilledLanding(LakeLanding):
    """A lake whose publishing ends the process, like kill -9."""

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Publish or not, then end the process."""
        if sys.argv[3] == "after":
            super().publish(entry, staged, schema)
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Replay."""
    with open_replay(sys.argv[1], None) as run:
        killed = KilledLanding(run.lake, run.specification)
        replay(replace(run, landings=[killed]), sys.argv[2])


if __name__ == "__main__":
    main()
