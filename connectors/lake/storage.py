"""Turning the file system's errors into one line that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import StorageError

UNPUBLISHED = "nothing was published"
ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EACCES: "no permission there",
    errno.EPERM: "no permission there",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "the folder does not exist and cannot be made: choose another place",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EFBIG: "the file is larger than that place allows",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an error that names the place and the remedy.

    Raises:
        StorageError: something in the block could not be written.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {advice(error)}; {UNPUBLISHED}") from None


def advice(error: OSError) -> str:
    """Return what went wrong, and what to do about it."""
    return ADVICE.get(error.errno or 0, type(error).__name__)
