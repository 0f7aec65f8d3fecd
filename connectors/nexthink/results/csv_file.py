"""The file that a result is written to: plain CSV, readable by its owner only, whole or absent."""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from connectors.errors import IncompleteResultError, StorageError

# Exports name devices and people.
OWNER_ONLY: Final = 0o600


class CsvFile:
    """A CSV file being written; leaving its `with` block by an exception removes it.

    Only its shape is looked at: an odd number of quotes means that the text ends inside a quoted
    field. A last record without newline is taken as whole if the quotes are even.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._quotes = 0
        try:
            self._file: BinaryIO = open(path, "wb", opener=_open_for_owner)  # noqa: SIM115
            self._is_regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        except OSError as fault:
            raise self._unwritable(fault) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._close()
            return
        try:
            # Closing writes what is buffered, which may be what failed.
            self._file.close()
        except OSError:
            pass
        finally:
            if self._is_regular:
                self.path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Append text."""
        try:
            self._file.write(piece)
        except OSError as fault:
            raise self._unwritable(fault) from None
        self.size += len(piece)
        self._quotes += piece.count(b'"')

    def start_over(self) -> None:
        """Empty the file."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as fault:
            raise self._unwritable(fault) from None
        self.size = self._quotes = 0

    def finish(self) -> None:
        """Check the end, and hand everything to the system."""
        if self._quotes % 2:
            raise IncompleteResultError("the result file breaks off inside a quoted field")
        try:
            self._file.flush()
        except OSError as fault:
            raise self._unwritable(fault) from None

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as fault:
            raise self._unwritable(fault) from None

    def _unwritable(self, fault: OSError) -> StorageError:
        return StorageError(f"cannot write {self.path}: {fault.strerror or type(fault).__name__}")


def _open_for_owner(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, OWNER_ONLY)
    # The mode above counts for a new file only.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, OWNER_ONLY)
    return descriptor
