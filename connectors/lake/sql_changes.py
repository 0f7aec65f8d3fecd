"""The view `NAME_changes`: what each object of a snapshot dataset was, from when to when.

It is made of the snapshots. A row lasts from the snapshot that shows it first to the one that shows
something else, or does not have the object. What changes by itself from day to day begins no row.
"""

import re
from collections.abc import Sequence
from typing import Final

from connectors.errors import ConfigurationError
from connectors.lake.lake import Lake
from connectors.lake.manifest import Manifest
from connectors.lake.naming import SLOT_SQL
from connectors.quoting import quoted_name, quoted_text

VALID_FROM, VALID_TO = "valid_from", "valid_to"
# In the metadata of a key's field in Parquet.
_KEY: Final = b"nxp.key"
# Times of this or that, and days since: they show the last snapshot's value.
_MOVING_TYPES: Final = ("timestamp", "date32")
_MOVING_NAMES: Final = re.compile(r"days_since_\w+")
_OWN: Final = "_nxp_"


def changes_sql(manifest: Manifest, key: Sequence[str], read: str, slots: str = "") -> str:
    """Return the view as SQL.

    Args:
        manifest: of the dataset.
        key: the columns that identify an object.
        read: reads all its files, with their paths.
        slots: reads its snapshots: number, unit, start and end; by default those of the manifest.

    Raises:
        ConfigurationError: it has no key, or lands a column of a name that the view needs.
    """
    columns = _columns(manifest, key)
    others = [each for each in columns if each not in key]
    fixed = [each for each in others if not _moves(each, columns[each])]
    objects = ", ".join(map(quoted_name, key))
    packed = ", ".join(f"{quoted_name(each)} := {quoted_name(each)}" for each in fixed)
    state = f"struct_pack({packed})" if fixed else "true"
    listed = ", ".join(map(quoted_name, columns))
    shown = [
        quoted_name(each)
        if each in key
        else f"last({quoted_name(each)} ORDER BY _nxp_slot) AS {quoted_name(each)}"
        for each in columns
    ]
    return f"""
WITH slots(_nxp_slot, _nxp_unit, {VALID_FROM}, {VALID_TO}) AS ({slots or _slots(manifest)}),
seen AS (
  SELECT {listed}, _nxp_slot, {VALID_FROM}, {VALID_TO}, {state} AS _nxp_state
  FROM (SELECT *, {SLOT_SQL} AS _nxp_unit FROM {read}) JOIN slots USING (_nxp_unit)
  QUALIFY row_number() OVER (PARTITION BY {objects}, _nxp_slot ORDER BY _nxp_state) = 1
),
begun AS (
  SELECT *, lag(_nxp_slot) OVER one IS NOT DISTINCT FROM _nxp_slot - 1
    AND lag(_nxp_state) OVER one IS NOT DISTINCT FROM _nxp_state AS _nxp_same
  FROM seen WINDOW one AS (PARTITION BY {objects} ORDER BY _nxp_slot)
),
numbered AS (
  SELECT *, count(*) FILTER (NOT _nxp_same)
    OVER (PARTITION BY {objects} ORDER BY _nxp_slot) AS _nxp_version
  FROM begun
)
SELECT {", ".join(shown)}, min({VALID_FROM}) AS {VALID_FROM},
  last({VALID_TO} ORDER BY _nxp_slot) AS {VALID_TO}
FROM numbered GROUP BY {objects}, _nxp_version
"""  # noqa: S608 - names and texts, quoted


def _columns(manifest: Manifest, key: Sequence[str]) -> dict[str, str]:
    """Return the dataset's own columns with their types; raise if they allow no such view."""
    name = manifest.dataset
    columns = {
        each: of for each, of in manifest.schema_columns.items() if not each.startswith(_OWN)
    }
    if not key or not {*key} <= columns.keys():
        raise ConfigurationError(
            f"{name}_changes: {name} has no key column in its snapshots: declare one, key: true, "
            f"and land a snapshot"
        )
    if taken := {VALID_FROM, VALID_TO} & columns.keys():
        raise ConfigurationError(
            f"{name}_changes: {name} has a column {', '.join(sorted(taken))} of its own: give it "
            "another name"
        )
    return columns


def key_in_files(lake: Lake, manifest: Manifest) -> list[str]:
    """Return the key columns as the newest snapshot's file has them.

    Raises:
        StorageError, OSError: it cannot be read.
    """
    # pyarrow, only for this view.
    from connectors.lake.manifests import entry_files  # noqa: PLC0415
    from connectors.lake.reading import open_parquet  # noqa: PLC0415

    for path in entry_files(manifest, manifest.entries[-1])[:1]:
        with open_parquet(lake, path) as parquet:
            return [each.name for each in parquet.schema_arrow if _KEY in (each.metadata or {})]
    return []


def _moves(name: str, kind: str) -> bool:
    return kind.startswith(_MOVING_TYPES) or _MOVING_NAMES.fullmatch(name) is not None


def _slots(manifest: Manifest) -> str:
    """Return the snapshots in order, each until the next one; the last has no end yet."""
    times = [
        f"{quoted_text(entry.starts_at.isoformat())}::TIMESTAMPTZ" for entry in manifest.entries
    ]
    rows = (
        f"({number}, {quoted_text(entry.unit)}, {start}, {end})"
        for number, (entry, start, end) in enumerate(
            zip(manifest.entries, times, [*times[1:], "NULL::TIMESTAMPTZ"], strict=True)
        )
    )
    return f"VALUES {', '.join(rows)}"
