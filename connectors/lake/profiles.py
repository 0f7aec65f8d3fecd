"""Profiles of a dataset's columns, taken as units land: nulls, least and most, values, histogram.

They say what a dataset holds, without a query (`nxp site`). One file per dataset, below
`_profiles`, keeps those of its newest units: rows, nulls, least and most of all their rows, and of
the newest unit also distinct values, the most frequent ones and a histogram. Landing waits for it
some milliseconds: counts come from the files' own footers, and the rest from the first row group.

No value of a personal column is in it, nor any text that occurs in a few rows only.
"""

import json
import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from connectors.errors import PipelineError
from connectors.lake.lake import Lake
from connectors.lake.layout import checked_name
from connectors.lake.manifest import Entry, Manifest
from connectors.lake.stage import StagedFile
from connectors.lake.stores import Conflict

PROFILES: Final = "_profiles"
# Units whose profiles are kept: a month of days.
NEWEST: Final = 30
BINS: Final = 12
FREQUENT: Final = 8
# A text is shown if it is one of few, and stands for several rows.
MOST_DISTINCT: Final = 50
LEAST_ROWS: Final = 5
TRIES: Final = 3
VERSION: Final = 1

Profile = dict[str, dict[str, Any]]

logger = logging.getLogger(__name__)


def keep_profile(lake: Lake, dataset: str, entry: Entry, taken: Profile) -> None:
    """Add a published unit's profile to those of its dataset; forget units that count no more.

    A failure is logged and does not matter to the unit, which has landed.
    """
    path = _path(dataset)
    try:
        with lake.store.exclusive(path.rpartition("/")[0]):
            manifest = lake.manifest(dataset)
            for _ in range(TRIES if manifest else 0):
                found = lake.store.read(path)
                units = _units(found[0] if found else b"")
                units[entry.unit] = {"run_id": entry.run_id, "rows": entry.rows, "columns": taken}
                content = {"version": VERSION, "units": _newest(units, manifest)}
                try:
                    lake.store.swap(path, json.dumps(content).encode(), found[1] if found else None)
                except Conflict:
                    continue
                return
    except PipelineError as error:
        logger.warning("%s %s has landed without a profile: %s", dataset, entry.unit, error)


def read_profiles(lake: Lake, dataset: str) -> dict[str, dict[str, Any]]:
    """Return the profiles of the newest units, by unit in order of time; empty if there are none.

    Each is `{run_id, rows, columns: {name: {nulls, least, most, distinct, values, bins, edges}}}`;
    what does not apply to a column is left out.

    Raises:
        StorageError, UnavailableError: the lake cannot be read.
    """
    found = lake.store.read(_path(dataset))
    return dict(sorted(_units(found[0] if found else b"").items()))


def is_newest(manifest: Manifest | None, entry: Entry) -> bool:
    """Return whether no landed unit with rows begins later: an empty one shows nothing."""
    with_rows = (known for known in manifest.entries if known.rows) if manifest else ()
    return all(entry.starts_at >= known.starts_at for known in with_rows)


def take_profile(
    files: Sequence[StagedFile], private: Collection[str], *, in_full: bool
) -> Profile:
    """Return the profile of staged files.

    Args:
        files: one unit's, finished.
        private: columns whose values may not be shown.
        in_full: also count distinct values, and make histograms, from the first row group.
    """
    profile: Profile = {}
    for file in files:
        metadata = pq.read_metadata(file.path)
        for number in range(metadata.num_row_groups):
            _add_group(profile, metadata.row_group(number), private)
    if in_full and files:
        largest = max(files, key=lambda file: file.rows)
        _add_sample(profile, largest, private)
    return profile


def _add_group(profile: Profile, group: Any, private: Collection[str]) -> None:
    for place in range(group.num_columns):
        chunk = group.column(place)
        name = chunk.path_in_schema.partition(".")[0]
        of = profile.setdefault(name, {})
        counted = chunk.statistics
        if counted is None or not counted.has_null_count:
            # Near-unique text has no statistics: the sample counts its nulls.
            continue
        # A list's leaves are counted together with the list itself.
        if "." not in chunk.path_in_schema:
            of["nulls"] = of.get("nulls", 0) + counted.null_count
        if counted.has_min_max and name not in private:
            _widen(of, counted.min, counted.max)


def _widen(of: dict[str, Any], least: Any, most: Any) -> None:
    """Take in a range of values; only of numbers and times, which name nobody."""
    if isinstance(least, bool) or not isinstance(least, int | float | date | datetime):
        return
    first, last = _plain(least), _plain(most)
    of["least"] = min(of.get("least", first), first)
    of["most"] = max(of.get("most", last), last)


def _add_sample(profile: Profile, file: StagedFile, private: Collection[str]) -> None:
    with pq.ParquetFile(file.path) as parquet:
        if not parquet.num_row_groups:
            return
        frame = pl.DataFrame(parquet.read_row_group(0))
    for series in frame:
        of = profile.setdefault(series.name, {})
        of["sample"] = len(series)
        of.setdefault("nulls", round(series.null_count() / max(1, len(series)) * file.rows))
        if series.dtype == pl.List:
            continue
        of["distinct"] = series.drop_nulls().n_unique()
        if series.name in private:
            continue
        if series.dtype.is_numeric() or series.dtype.is_temporal():
            _add_bins(of, series)
        elif of["distinct"] <= MOST_DISTINCT:
            of["values"] = _frequent(series)


def _add_bins(of: dict[str, Any], series: pl.Series) -> None:
    """Count values in bins of one width: `edges` are the least value and the most."""
    numbers = series.drop_nulls()
    if numbers.dtype.is_temporal():
        numbers = numbers.cast(pl.Datetime("ms")).to_physical() / 1000
    numbers = numbers.cast(pl.Float64)
    numbers = numbers.filter(numbers.is_finite())
    if numbers.is_empty():
        return
    least, most = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type] # floats, by the cast above
    width = (most - least) / BINS
    if not width or not math.isfinite(width):
        return
    bins = ((numbers - least) / width).floor().clip(0, BINS - 1).cast(pl.Int64)
    counts = dict(bins.value_counts().iter_rows())
    of["bins"] = [counts.get(bin_, 0) for bin_ in range(BINS)]
    of["edges"] = [least, most]


def _frequent(series: pl.Series) -> list[tuple[str, int]]:
    """Return the most frequent values that stand for several rows, most frequent first."""
    counted = series.drop_nulls().cast(pl.String).value_counts(sort=True).iter_rows()
    return [(value, rows) for value, rows in counted if rows >= LEAST_ROWS][:FREQUENT]


def _plain(value: Any) -> Any:
    """Return a number, or a time as ISO 8601 in UTC: both compare as the values do."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _path(dataset: str) -> str:
    return f"{PROFILES}/{checked_name(dataset)}/profiles.json"


def _units(content: bytes) -> dict[str, Any]:
    """Return the units of a file of profiles; none if it is missing, damaged or newer."""
    try:
        read = json.loads(content)
        units: dict[str, Any] = read["units"] if read["version"] == VERSION else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return units


def _newest(units: Mapping[str, Any], manifest: Manifest | None) -> dict[str, Any]:
    """Return the profiles of the newest units that still count as they were profiled."""
    entries: Iterable[Entry] = manifest.entries if manifest else ()
    counted = {entry.unit: entry.run_id for entry in entries}
    kept = {unit: one for unit, one in units.items() if counted.get(unit) == one["run_id"]}
    return dict(sorted(kept.items())[-NEWEST:])
