"""Replays a run in a process of its own, and is killed on the way: a victim for tests.

Usage: python -m tests.replay_once DATASET RUN before|after; killed before or after the publishing.
"""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from connectors.lake import Entry, Lake, StagedFile
from connectors.settings import load_settings
from tasks.replay_run import open_replay, run_replay


class KilledLake(Lake):
    """A lake at whose publishing the process ends, as by a kill -9."""

    def publish(
        self,
        dataset: str,
        mode: str,
        entry: Entry,
        staged: Sequence[StagedFile],
        schema: pa.Schema,
    ) -> Entry:
        """Publish or not, and end."""
        if sys.argv[3] == "after":
            super().publish(dataset, mode, entry, staged, schema)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


def main() -> None:
    """Replay."""
    settings = load_settings()
    with open_replay(settings, sys.argv[1], None) as tools:
        run_replay(
            replace(tools, lake=KilledLake(settings.lake, tools.lake.folder.name)), sys.argv[2]
        )


if __name__ == "__main__":
    main()
