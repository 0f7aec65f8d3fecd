"""Publishes what is staged in a process of its own: one that races.

Usage: python -m tests.stage_once FILE [partition]. The file is a pickle of the place and of what is
staged.
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
    specification = specify(sql={"partition": "window"} if sys.argv[2:] else None)
    place.landing(specification).check()
    staged.publish(place.landing(specification))


if __name__ == "__main__":
    main()
