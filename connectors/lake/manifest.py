"""The manifest of one dataset: the exact list of the files that count."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt

from connectors.errors import DataRefusedError
from connectors.lake.layout import LAYOUTS, Layout

SNAPSHOT = "snapshot"


class ManifestFile(BaseModel):
    """One Parquet file, its path relative to the dataset's folder."""

    model_config = ConfigDict(frozen=True)

    path: str
    rows: NonNegativeInt
    bytes: NonNegativeInt


class Entry(BaseModel):
    """One published unit (a window or a snapshot's slot) and its files; an empty one has none."""

    model_config = ConfigDict(frozen=True)

    unit: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    run_id: str
    exported_at: AwareDatetime
    rows: NonNegativeInt
    files: tuple[ManifestFile, ...]

    def overlaps(self, other: "Entry") -> bool:
        """Return whether there is an instant that both cover."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def covers(self, other: "Entry") -> bool:
        """Return whether the other lies completely within this one."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at


class Manifest(BaseModel):
    """What a reader of a dataset must read, in time order. Every change increases `version`.

    `layout` says where its files are. While `migrates` is set, a migration is under way, from that
    version of the manifest of layout 1, which counts until a tombstone has replaced it.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    mode: str
    layout: int = 1
    migrates: int | None = None
    version: int = 0
    schema_hash: str = ""
    schema_columns: dict[str, str] = {}
    entries: tuple[Entry, ...] = ()

    @property
    def places(self) -> Layout:
        """The layout in which the dataset's files are."""
        return LAYOUTS[self.layout]

    @property
    def folder(self) -> str:
        """The folder of the dataset's files, relative to the tenant's part of the lake."""
        return self.places.folder(self.dataset)

    def content(self) -> bytes:
        """Return the manifest as it is written; in layout 1 as earlier releases write it."""
        new = {"layout", "migrates"} if self.layout == 1 else set[str]()
        if self.migrates is None:
            new.add("migrates")
        return self.model_dump_json(indent=1, exclude=new).encode()

    def paths(self) -> set[str]:
        """Return the paths of all files that count, relative to the dataset's folder."""
        return {file.path for entry in self.entries for file in entry.files}

    def superseded_by(self, entry: Entry) -> list[Entry]:
        """Return the entries that this one replaces: the same unit, or any completely within it.

        Raises:
            DataRefusedError: it overlaps part of an entry, which can only be replaced whole.
        """
        if self.mode == SNAPSHOT:
            return [known for known in self.entries if known.unit == entry.unit]
        found = [known for known in self.entries if known.overlaps(entry)]
        for known in found:
            if not entry.covers(known):
                raise DataRefusedError(
                    f"{self.dataset} {entry.unit} overlaps the landed window {known.unit} in part: "
                    "land a window that covers all of it"
                )
        return found

    def with_entry(
        self, entry: Entry, schema_hash: str, schema_columns: dict[str, str]
    ) -> "Manifest":
        """Return the next version, in which the entry replaces all that it supersedes."""
        gone = set(self.superseded_by(entry))
        kept = [known for known in self.entries if known not in gone]
        return self.model_copy(
            update={
                "version": self.version + 1,
                "migrates": None,
                "schema_hash": schema_hash,
                "schema_columns": schema_columns,
                "entries": tuple(sorted([*kept, entry], key=lambda known: known.starts_at)),
            }
        )

    def ended_by(self, instant: datetime) -> tuple[Entry, ...]:
        """Return the units that ended at an instant or before, never the newest snapshot."""
        candidates = self.entries[:-1] if self.mode == SNAPSHOT else self.entries
        return tuple(entry for entry in candidates if entry.ends_at <= instant)

    def without(self, dropped: Iterable[Entry]) -> "Manifest":
        """Return the next version, without these units."""
        gone = set(dropped)
        kept = tuple(entry for entry in self.entries if entry not in gone)
        return self.model_copy(
            update={"version": self.version + 1, "migrates": None, "entries": kept}
        )


def check_same_mode(manifest: Manifest, mode: str) -> None:
    """Raise unless a dataset continues in the mode in which it has landed.

    Raises:
        DataRefusedError: the modes differ: a dataset holds either windows or snapshots.
    """
    if manifest.mode != mode:
        raise DataRefusedError(
            f"{manifest.dataset} has landed as {manifest.mode} and cannot continue as {mode}: "
            "use another name for it, or move its folder away"
        )
