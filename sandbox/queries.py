"""The saved queries of the tenant: a directory of `name.nql`, read again when a file changes."""

from pathlib import Path

SUFFIX = ".nql"


class SavedQueries:
    """Each `name.nql` of a directory is the saved query `#name`."""

    def __init__(self, directory: Path) -> None:
        """Remember where the files are; they are read when asked for."""
        self._directory = directory
        self._read: dict[str, tuple[int, int, str]] = {}

    def text(self, query_id: str) -> str | None:
        """Return the text of a saved query, None when there is none."""
        path = self._directory / f"{query_id.removeprefix('#')}{SUFFIX}"
        try:
            status = path.stat()
        except OSError:
            self._read.pop(query_id, None)
            return None
        held = self._read.get(query_id)
        # The size as well: two writes may fall into one tick of the clock.
        if held is None or held[:2] != (status.st_mtime_ns, status.st_size):
            text = path.read_text(encoding="utf-8-sig")
            held = (status.st_mtime_ns, status.st_size, text)
            self._read[query_id] = held
        return held[2]

    def ids(self) -> list[str]:
        """Return the ids of the saved queries."""
        return sorted(f"#{path.stem}" for path in self._directory.glob(f"*{SUFFIX}"))
