"""Publishes what is staged in a process of its own: one that races.

Usage: python -m tests.stage_once FILE, which is a pickle of the place and of what is staged.
"""

import pickle
import sys
from pathlib import Path

from tests.databases import Kind, Staged, specify


def main() -> None:
    """Publish one window."""
    place: Kind
    staged: Staged
    place, staged = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - of our own
    place.landing(specify()).check()
    staged.publish(place.landing(specify()))


if __name__ == "__main__":
    main()
