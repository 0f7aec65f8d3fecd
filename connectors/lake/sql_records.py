"""The views of what runs have left next to the data, in fixed columns whatever wrote the files.

The files of `_changes` and `_targets` can be read by their owner only, and so can the views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.lake.lake import Lake
from connectors.lake.naming import CHANGES, DAY, PATH, REJECTS, RUNS
from connectors.lake.record_columns import ACTION_CHANGES, RECORDS, SYNC_CHANGES, RecordType
from connectors.quoting import quoted_name, quoted_text

# One row per target of an action.
TARGETS: Final = "_targets"
# All may read these; the others are personal data.
RECORD_VIEWS: Final = frozenset({RUNS, REJECTS})
PRIVATE_VIEWS: Final = frozenset({CHANGES, TARGETS})
ALL_RECORD_VIEWS: Final = RECORD_VIEWS | PRIVATE_VIEWS
PLAIN_PATHS: Final = f"hive_partitioning = false, filename = '{PATH}'"
_OF: Final = {
    RUNS: RUNS,
    REJECTS: REJECTS,
    CHANGES: SYNC_CHANGES,
    TARGETS: ACTION_CHANGES,
}
_TYPES: Final = {
    RecordType.TEXT: "VARCHAR",
    RecordType.WHOLE: "BIGINT",
    RecordType.REAL: "DOUBLE",
    RecordType.MOMENT: "TIMESTAMPTZ",
    RecordType.TEXTS: "VARCHAR[]",
}
# Patterns that match the folders of these views, and of runs.
_WITH_RUNS: Final = {REJECTS: "_r[eu]*s/", CHANGES: "_[cr]*s/", TARGETS: "_[cr]*s/"}
# AT is a word of SQL's own.
_SHOWN: Final = {"at": "changed_at"}
_IN_DAYS: Final = f"/date=({DAY})/[^/]*$"


@dataclass(frozen=True, slots=True)
class LakeView:
    """One view, and the files (relative to the tenant's part of the lake) that it reads."""

    name: str
    source: str
    files: tuple[str, ...]


def record_columns(name: str) -> Mapping[str, str]:
    """Return the columns of one of ALL_RECORD_VIEWS, with their types in DuckDB."""
    columns = {
        _SHOWN.get(column, column): _TYPES[kind] for column, kind in RECORDS[_OF[name]].items()
    }
    if name not in PRIVATE_VIEWS:
        return columns
    # From the path. A row has no other column that says which sync or action it is of.
    return {_folder_key(name): "VARCHAR", "date": "DATE", **columns}


def empty_record_view(name: str) -> LakeView:
    """Return one of ALL_RECORD_VIEWS without rows, for a statement that only lists columns."""
    columns = record_columns(name).items()
    empty = (f"CAST(NULL AS {of}) AS {quoted_name(column)}" for column, of in columns)
    return LakeView(name, f"SELECT {', '.join(empty)} WHERE false", ())


def record_view(lake: Lake, name: str) -> LakeView:
    """Return one of ALL_RECORD_VIEWS. No file is opened; a filter on `date` opens few of them."""
    files = _record_files(lake, name)
    if not files:
        return empty_record_view(name)
    return LakeView(name, _select(name, listed_files(lake, files)), tuple(files))


def lasting_record_view(lake: Lake, name: str, root: str) -> str:
    """Return one of ALL_RECORD_VIEWS as SQL that finds the files whenever it is queried.

    DuckDB refuses a pattern that matches no file. So where there may be none, the pattern also
    matches the reports of runs, which a condition on the path then leaves out.

    Args:
        lake: one tenant's part of the lake.
        name: the view.
        root: what comes before the path of a file of the lake.
    """
    is_private, has_own = name in PRIVATE_VIEWS, bool(_record_files(lake, name))
    if name == RUNS or (is_private and has_own):
        # An account that may not list a private folder finds no file, and gets an error then.
        folders, has_any = _begin(name) + ("*/" if is_private else ""), has_own
    else:
        folders, has_any = _WITH_RUNS[name], bool(_record_files(lake, RUNS))
    if not has_any:
        return empty_record_view(name).source
    pattern = quoted_text(f"{root}{folders}**/*.parquet")
    return f"{_select(name, pattern)} WHERE contains({PATH}, {quoted_text('/' + _begin(name))})"


def _begin(name: str) -> str:
    """Return how the paths of a view's files begin."""
    return _OF[name] + ("=" if name in PRIVATE_VIEWS else "/")


def _record_files(lake: Lake, name: str) -> list[str]:
    paths = (file.path for file in lake.store.files(_OF[name].partition("/")[0]))
    return [path for path in paths if path.startswith(_begin(name)) and path.endswith(".parquet")]


def _select(name: str, listed: str) -> str:
    """Return a query of files, given as SQL, in the view's columns."""
    fixed = ", ".join(
        f"{quoted_text(column)}: {{name: {quoted_text(column)}, "
        f"type: '{_TYPES[kind]}', default_value: NULL}}"
        for column, kind in RECORDS[_OF[name]].items()
    )
    read = f"read_parquet({listed}, schema = MAP {{{fixed}}}, {PLAIN_PATHS})"
    return f"SELECT {', '.join(_shown(name))} FROM {read}"  # noqa: S608 - names, quoted


def listed_files(lake: Lake, files: Sequence[str]) -> str:
    """Return files of the lake as a list in SQL."""
    return f"[{', '.join(quoted_text(lake.store.sql_root + file) for file in files)}]"


def _shown(name: str) -> list[str]:
    columns = {column: quoted_name(column) for column in record_columns(name)}
    if name == REJECTS:
        # Earlier releases have it in the path only.
        in_path = f"regexp_extract({PATH}, '/dataset=([^/]+)/[^/]*$', 1)"
        columns["dataset"] = f"coalesce(dataset, {in_path}) AS dataset"
    for column, shown in _SHOWN.items():
        if shown in columns:
            columns[shown] = f"{quoted_name(column)} AS {quoted_name(shown)}"
    if name in PRIVATE_VIEWS:
        kind = _OF[name].rpartition("/")[2]
        own = _folder_key(name)
        columns[own] = f"regexp_extract({PATH}, '/{kind}=([^/]+){_IN_DAYS}', 1) AS {own}"
        columns["date"] = f"CAST(regexp_extract({PATH}, '{_IN_DAYS}', 1) AS DATE) AS date"
    return list(columns.values())


def _folder_key(name: str) -> str:
    """Return the column that says which sync or action a row is of."""
    return "sync" if name == CHANGES else "action"
