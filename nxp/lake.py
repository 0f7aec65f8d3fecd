"""The lake for Python: what has landed as Polars, pyarrow or DuckDB, by the manifests.

    from nxp.lake import open_lake

    lake = open_lake()
    lake.polars("crashes").filter(pl.col("date") >= date(2026, 11, 1)).collect()

Only files that count are read. A file that is replaced while it is read may be missed: then open
the dataset again. The settings are those of the commands: the NXP_* variables and the project.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

from connectors.errors import UsageError
from connectors.lake import Entry, Lake, Manifest
from connectors.lake.manifest import SNAPSHOT
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    from pyarrow.dataset import Dataset

    from connectors.lake.questions import Question

Moment: TypeAlias = date | datetime | str
__all__ = ["Answer", "OpenLake", "open_lake"]


def open_lake(tenant: str | None = None, *, place: str | None = None) -> "OpenLake":
    """Return one tenant's part of the lake, for reading.

    Args:
        tenant: a profile's name; by default the tenant of the NEXTHINK_* variables.
        place: the lake's folder or URL, if other than that of the settings; `tenant` is then the
            name of the tenant's folder in it, such as `acme.eu`.

    Raises:
        ConfigurationError: the settings have problems; all are listed.
        UsageError: a place without a tenant.
    """
    if place is not None:
        if not tenant:
            raise UsageError("a place needs a tenant: the name of its folder there, as acme.eu")
        return OpenLake(Lake(place, tenant))
    settings = load_settings()
    return OpenLake(Lake(settings.lake, tenant_name(settings, tenant)), settings, tenant)


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with its answer: `question` has title, text, SQL and chart, `frame` the rows."""

    question: "Question"
    frame: "pl.DataFrame"


class OpenLake:
    """What has landed of one tenant. Every call reads the manifest again."""

    def __init__(
        self, lake: Lake, settings: Settings | None = None, tenant: str | None = None
    ) -> None:
        self._lake = lake
        self._settings = settings
        self._tenant = tenant

    @property
    def location(self) -> str:
        """The path or URL of the tenant's part of the lake."""
        return self._lake.location()

    @property
    def datasets(self) -> list[str]:
        """The names of the datasets that have landed."""
        return self._lake.datasets()

    def files(
        self,
        dataset: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        history: bool = False,
    ) -> list[str]:
        """Return the paths or URLs of the Parquet files that count, in order of time.

        Args:
            dataset: its name.
            start: leave out windows that end by then, and snapshots before it. A date is its
                midnight, and a date-time without a zone is one, in UTC; a text is either, as
                2026-11-20. Windows come whole: filter the time's column for an exact bound.
            end: leave out windows and snapshots that start then or later.
            history: all snapshots; by default the latest of those that are left.

        Raises:
            UsageError: nothing of that name has landed, or `start` or `end` is not a time.
            StorageError: the manifest cannot be read.
        """
        manifest = self._manifest(dataset)
        entries = _chosen(manifest, start, end, history=history)
        folder = f"{manifest.folder}/"
        return [self._lake.location(folder + file.path) for e in entries for file in e.files]

    def polars(
        self,
        dataset: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        history: bool = False,
    ) -> "pl.LazyFrame":
        """Return a dataset as a LazyFrame, with its partition column `date` or `snapshot`.

        A filter on `date` opens the files of these days only. Arguments and errors: see `files`.
        """
        from connectors.lake.scanning import scan_polars  # noqa: PLC0415 - polars

        manifest = self._manifest(dataset)
        return scan_polars(self._lake, manifest, _chosen(manifest, start, end, history=history))

    def arrow(
        self,
        dataset: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        history: bool = False,
    ) -> "Dataset":
        """Return a dataset as a pyarrow Dataset, with its partition column `date` or `snapshot`.

        A filter on the partition column opens the files of these only; `to_table().to_pandas()`
        gives it to pandas. Arguments and errors: see `files`.
        """
        from connectors.lake.scanning import scan_arrow  # noqa: PLC0415 - pyarrow

        manifest = self._manifest(dataset)
        return scan_arrow(self._lake, manifest, _chosen(manifest, start, end, history=history))

    def duckdb(self, **config: Any) -> "duckdb.DuckDBPyConnection":
        """Return a DuckDB connection with the views of `nxp sql`, over the files of this moment.

        It is in memory and yours: it may read, write and attach whatever you may. `_datasets`,
        `_units` and `_gaps`, which are not in the lake, are in `nxp sql` only. `config` are
        settings of DuckDB.

        Raises:
            StorageError: a manifest cannot be read.
        """
        from connectors.lake.query import open_views  # noqa: PLC0415 - duckdb

        return open_views(self._lake, config)

    def ask(self, question: str) -> Answer:
        """Return the answer of a question, as `nxp ask` gives it, with rows in Polars.

        The questions are those of the project and of the library; of a lake that was opened by its
        place, those of the library.

        Raises:
            UsageError: there is no such question.
            ConfigurationError: a dataset that it reads has not landed, or its SQL is wrong.
        """
        from nxp.lake_answers import answer  # noqa: PLC0415 - polars, and what questions need

        found, frame = answer(self._lake, question, self._settings, self._tenant)
        return Answer(found, frame)

    def _manifest(self, dataset: str) -> Manifest:
        manifest = self._lake.manifest(dataset)
        if manifest is None:
            known = ", ".join(self.datasets) or "nothing yet"
            raise UsageError(f"{dataset} has not landed in {self.location}; landed: {known}")
        return manifest


def _chosen(
    manifest: Manifest,
    start: Moment | None,
    end: Moment | None,
    *,
    history: bool,
) -> Sequence[Entry]:
    """Return the entries of a time; of snapshots the last one, unless all are wanted."""
    if history and manifest.mode != SNAPSHOT:
        raise UsageError(f"{manifest.dataset} has no snapshots: leave out history")
    first = None if start is None else _instant(start)
    last = None if end is None else _instant(end)
    entries = [entry for entry in manifest.entries if _is_within(entry, first, last)]
    return entries if history or manifest.mode != SNAPSHOT else entries[-1:]


def _is_within(entry: Entry, start: datetime | None, end: datetime | None) -> bool:
    # A snapshot is an instant: it starts and ends then.
    starts_before = end is None or entry.starts_at < end
    ends_after = start is None or entry.ends_at > start or entry.starts_at >= start
    return starts_before and ends_after


def _instant(moment: Moment) -> datetime:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise UsageError(f"{moment!r} is not a date or a date-time, as 2026-11-20") from None
    if not isinstance(moment, date):
        raise UsageError(f"{moment!r} is not a date, a date-time or a text of one")
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
