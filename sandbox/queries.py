"""The saved queries of the tenant: a directory of `name.nql`, read again when a file changes."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

SUFFIX = ".nql"


class SavedQueries:
    """Each `name.nql` of a directory is the saved query `#name`."""

    def __init__(self, directory: Path) -> None:
        """Remember where the files are; they are read when asked for."""
        self._directory = directory
        self._read: dict[str, tuple[int, int, str]] = {}

    def text(self, query_id: str) -> str | None:
        """Return the text of a saved query, or None if it does not exist."""
        path = self._directory / f"{query_id.removeprefix('#')}{SUFFIX}"
        try:
            status = path.stat()
        except OSError:
            self._read.pop(query_id, None)
            return None
        held = self._read.get(query_id)
        # Compare the size too: two writes may fall into one tick of the clock.
        if held is None or held[:2] != (status.st_mtime_ns, status.st_size):
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                logger.warning("cannot read %s as UTF-8: %s", path, type(error).__name__)
                return None
            held = (status.st_mtime_ns, status.st_size, text)
            self._read[query_id] = held
        return held[2]

    def ids(self) -> list[str]:
        """Return the ids of the saved queries."""
        return sorted(f"#{path.stem}" for path in self._directory.glob(f"*{SUFFIX}"))
