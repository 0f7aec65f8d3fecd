"""Python, started so that our packages are ours.

`flows`, `tasks` or `connectors` may also be packages of the user's own, in the current folder or on
PYTHONPATH. Python would find those first, and our modules would import them instead of each other.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

NAMES: Final = frozenset({"connectors", "flows", "nql", "nxp", "sandbox", "tasks"})
# The folder that holds our packages: site-packages, or a clone.
ROOT: Final = str(Path(__file__).resolve().parents[1])


class _Ours:
    """Finds our packages next to this one, before Python looks anywhere else."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where one of our packages is; None leaves the others to Python."""
        return PathFinder.find_spec(name, [ROOT]) if path is None and name in NAMES else None


def claim_names() -> None:
    """Let the names of our packages mean ours for the rest of this process."""
    if not any(isinstance(finder, _Ours) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Ours())


def leave_current_folder() -> None:
    """Stop importing from the current folder, as `python -m` does and the command `nxp` does not.

    A folder of our own packages stays, as does what PYTHONPATH names.
    """
    if not sys.flags.safe_path and sys.path[:1] == [str(Path.cwd())] != [ROOT]:
        del sys.path[0]


def module_command(*words: str) -> list[str]:
    """Return the command that runs an installed module with these words.

    With -P no module of the current folder can take its place.
    """
    return [sys.executable, "-P", "-m", *words]
