"""Publishes windows into a lake in a process of its own: one that races, or a victim of a kill.

Usage: python -m tests.publish_once ROOT SCRATCH RUN FIRST_DAY WINDOWS DAYS [times]; prints `ready`
and waits for a line before it publishes, then prints a line for each window.
"""

import sys
from datetime import timedelta
from pathlib import Path

from connectors.errors import HeldError
from connectors.lake import Lake
from tests.lakes import DAY, START, TENANT, publish


def main() -> None:
    """Publish a number of windows of a number of days each, from a first day on."""
    root, scratch, run, first, windows, days = sys.argv[1:7]
    lake = Lake(root, TENANT, Path(scratch))
    lake.manifest("events")
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    length = timedelta(days=int(days))
    for number in range(int(windows)):
        start = START + int(first) * DAY + number * length
        try:
            publish(lake, f"{run}-{number}", start, start + length)
            print("done", flush=True)  # noqa: T201 - the test counts them
        except HeldError:
            print("held", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
