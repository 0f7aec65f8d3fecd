"""Files that killed runs left in their folders: they hold rows, so the next run removes them.

A run removes its own folders after the ledger has recorded its end, so a kill in between leaves
folders of a run that has ended. What the ledger does not know at all (a folder of `nxp act show`, a
file that was about to be renamed) is removed once nothing has changed in it for a day.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from connectors.ledger import Ledger

RUNNING: Final = "running"
UNKNOWN_SECONDS: Final = 86_400


def clear_leftovers(ledger: Ledger, *folders: Path | None) -> None:
    """Remove what belongs to no run under way; entries of folders are named by the run's id."""
    found = [entry for folder in folders if folder for entry in _entries(folder)]
    states = ledger.states({entry.name for entry in found}) if found else {}
    for entry in found:
        state = states.get(entry.name)
        if state == RUNNING or (state is None and not _is_old(entry)):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):
                Path(entry).unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        # There is none yet, or it may not be read: then nothing of ours is in it.
        return []


def _is_old(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > UNKNOWN_SECONDS
    return False
