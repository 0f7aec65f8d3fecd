"""Migrates a dataset in a process of its own, and is killed before one of its changes to files.

Usage: python -m tests.migrate_once ROOT DATASET STEP; prints how many changes there were, if it
came to its end.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.lake import Lake
from connectors.lake.migration import migrate
from tests.lakes import TENANT

CHANGES = {"os.rename", "os.link", "os.remove", "os.rmdir"}


def main() -> None:
    """Migrate, and count the changes."""
    root, dataset, step = sys.argv[1:4]
    changes = 0

    def watch(event: str, _: Any) -> None:
        nonlocal changes
        if event in CHANGES:
            changes += 1
            if changes == int(step):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    migrate(Lake(root, TENANT, Path(root)), dataset, ZoneInfo("Europe/Zurich"))
    print(changes, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
