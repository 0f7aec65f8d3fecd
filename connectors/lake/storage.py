"""Turning the file system's refusals into one line that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import StorageError

ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EACCES: "no permission there",
    errno.EPERM: "no permission there",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "the folder is gone, or none can be made there: choose another place",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EFBIG: "the file grows past what is allowed there",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise StorageError, naming the place and the remedy, for what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {advice(error)}; nothing was published") from None


def advice(error: OSError) -> str:
    """Say what the file system refused, and what to do about it."""
    return ADVICE.get(error.errno or 0, type(error).__name__)
