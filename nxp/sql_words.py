"""The words that the shell of `nxp sql` completes: views, columns, and SQL."""

import re
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from typing import Final

from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.manifest import SNAPSHOT
from connectors.lake.naming import HISTORY, VERSIONS
from connectors.lake.sql_records import ALL_RECORD_VIEWS, record_columns

KEYWORDS: Final = (
    *("SELECT", "FROM", "WHERE", "GROUP BY ALL", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING"),
    *(
        "HAVING",
        "DISTINCT",
        "COUNT(*)",
        "DESCRIBE",
        "SUMMARIZE",
        "SHOW TABLES",
        "version_parts",
        "WITH",
        "UNION ALL",
    ),
)
COMMANDS: Final = (".help", ".tables", ".columns", ".format", ".quit")
_WORD: Final = re.compile(r"\w+")


class Words:
    """The words of one lake, read when they are first needed."""

    def __init__(self, lake: Lake, tables: Collection[str] = ()) -> None:
        self._lake = lake
        self._tables = tables
        self._columns = cache(self._columns_of)
        self._views = cache(self._views_of)

    def beginning(self, begun: str, before: str) -> list[str]:
        """Return the words that begin so, columns first.

        Args:
            begun: what is written of the word.
            before: the statement up to here; columns are those of the views that it names.
        """
        if begun.startswith("."):
            return [word for word in COMMANDS if word.startswith(begun)]
        prefix, dot, begun_name = begun.rpartition(".")
        views = self._views()
        named = {word.lower() for word in _WORD.findall(before)} & set(views)
        # In SELECT, the dataset is not named yet.
        meant = sorted(named) or sorted(view for view in views if view[0] != "_")
        columns = [name for view in meant for name in self._columns(view)]
        words = columns if dot else [*columns, *views, *KEYWORDS]
        found = [word for word in words if word.lower().startswith(begun_name.lower())]
        return [f"{prefix}{dot}{word}" for word in dict.fromkeys(found)]

    def _views_of(self) -> tuple[str, ...]:
        names = sorted({*ALL_RECORD_VIEWS, *self._tables})
        with suppress(PipelineError):
            for dataset in self._lake.datasets():
                names.append(dataset)
                if self._mode(dataset) == SNAPSHOT:
                    names += [dataset + HISTORY, dataset + VERSIONS]
        return tuple(names)

    def _mode(self, dataset: str) -> str | None:
        with suppress(PipelineError):
            manifest = self._lake.manifest(dataset)
            return manifest.mode if manifest else None
        return None

    def _columns_of(self, view: str) -> tuple[str, ...]:
        if view in ALL_RECORD_VIEWS:
            return tuple(record_columns(view))
        with suppress(PipelineError):
            if manifest := self._lake.manifest(view.removesuffix(HISTORY).removesuffix(VERSIONS)):
                partition = "snapshot" if manifest.mode == SNAPSHOT else "date"
                times = ("valid_from", "valid_to") if view.endswith(VERSIONS) else (partition,)
                return (*manifest.schema_columns, *times)
        return ()
