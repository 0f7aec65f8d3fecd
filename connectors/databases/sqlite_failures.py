"""What SQLite's errors mean: one wording for the ledger, SQL landings and sources."""

import errno
from typing import Final

from connectors.errors import (
    ConfigurationError,
    PipelineError,
    StorageError,
    UnavailableError,
)

Meaning = tuple[type[PipelineError], str]

# By words of its message, since ADBC passes on no code. Each continues the name of what failed.
MEANINGS: Final[dict[str, Meaning]] = {
    "locked": (UnavailableError, " is locked by another process: try again"),
    "readonly": (
        StorageError,
        ": no permission to write the database file, or its file system is read-only",
    ),
    "unable to open": (
        StorageError,
        ": the database file cannot be opened or made: it is a folder, read-only, or forbidden",
    ),
    "disk is full": (StorageError, ": the disk is full: free some space"),
    "disk I/O": (
        StorageError,
        ": the disk is full, or fails to read or write the file: free space, or check the disk",
    ),
    "not a database": (ConfigurationError, ": the file is not a SQLite database"),
    "disk image is malformed": (
        StorageError,
        ": the database file is damaged: restore it from a back-up",
    ),
}
# Of the operating system, before SQLite is asked.
BY_NUMBER: Final[dict[int, str]] = {
    errno.ENOSPC: ": the disk is full: free some space",
    errno.EDQUOT: ": the quota of the disk is used up: free some space",
    errno.EROFS: ": the file system is read-only",
    errno.ENOTDIR: ": a file stands where a folder is needed",
    errno.EEXIST: ": a file stands where a folder is needed",
    errno.EACCES: ": no permission there",
    errno.EPERM: ": no permission there",
}


def sqlite_meaning(text: str) -> Meaning | None:
    """Return the kind of error and the words for it, None for a message that is not known."""
    return next((meaning for words, meaning in MEANINGS.items() if words in text), None)


def folder_meaning(error: OSError) -> Meaning | None:
    """Return the same for an error of the folder that a database file is in."""
    words = BY_NUMBER.get(error.errno or 0)
    return (StorageError, words) if words else None
