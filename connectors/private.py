"""Files and folders that only their owner may read, from the moment they exist."""

import os
import stat
from pathlib import Path

OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_folder(folder: Path) -> None:
    """Create a folder and those above it that are missing; those that exist stay as they are."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Create an empty file unless there is one.

    One that others may read but not write is closed to them, if it is ours: it was created so by
    an earlier release. What others may write is shared on purpose.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        close_to_others(path)


def close_to_others(path: Path) -> None:
    """Let nobody else read a file, unless it is shared on purpose or not ours."""
    try:
        found = path.stat()
        shared = found.st_mode & OTHERS_WRITE
        if found.st_mode & OTHERS_READ and not shared and stat.S_ISREG(found.st_mode):
            path.chmod(0o600)
    except OSError:
        # Missing, or another user's: they decide who reads it.
        return


def write(path: Path, text: str) -> None:
    """Write a text file that only its owner may read, in one step."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    fresh.replace(path)
