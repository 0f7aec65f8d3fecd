"""How far what has landed of a dataset reaches, for a person who reads an answer made of it."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT


@dataclass(frozen=True, slots=True)
class Reach:
    """The time that a dataset's rows are about.

    Attributes:
        starts_at: the begin of its first window; of a snapshot, when the newest was exported.
        ends_at: the end of its last window, which has no row of it; the same of a snapshot.
        has_gaps: whether a window in between has not landed.
    """

    dataset: str
    starts_at: datetime
    ends_at: datetime
    has_gaps: bool

    def __str__(self) -> str:
        """Return it for a person."""
        if self.starts_at == self.ends_at:
            return f"{self.dataset} as of {_moment(self.ends_at)}"
        gaps = ", with gaps" if self.has_gaps else ""
        return f"{self.dataset} from {_moment(self.starts_at)} to {_moment(self.ends_at)}{gaps}"


def reach_of(lake: Lake, dataset: str) -> Reach | None:
    """Return how far a dataset reaches; None if nothing of it has landed.

    Raises:
        StorageError: the manifest cannot be read.
    """
    manifest = lake.manifest(dataset)
    entries = manifest.entries if manifest else ()
    if not manifest or not entries:
        return None
    if manifest.mode == SNAPSHOT:
        moment = entries[-1].exported_at
        return Reach(dataset, moment, moment, has_gaps=False)
    gaps = any(one.ends_at < after.starts_at for one, after in pairwise(entries))
    return Reach(dataset, entries[0].starts_at, entries[-1].ends_at, gaps)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}"
