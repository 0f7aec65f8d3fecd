"""Where the files of a dataset and its manifest are: layout 2, and layout 1 of earlier releases.

In layout 2 a dataset's folder holds nothing but Parquet, so that every reader opens it. A dataset
stays in layout 1 until `nxp maintain --layout` migrates it (connectors.lake.migration).
"""

import re
from dataclasses import dataclass
from typing import Final

from connectors.errors import UsageError

MANIFEST: Final = "_manifest.json"
DATASET: Final = re.compile(r"[a-z][a-z0-9_]*")
SLOT: Final = re.compile(r"(\d{4})(\d{2})(\d{2}T\d{2})(\d{2})(\d{2}Z)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one version of the layout, relative to the tenant's part of the lake."""

    version: int
    data: str
    manifests: str

    def folder(self, dataset: str) -> str:
        """Return the folder of a dataset's files.

        Raises:
            UsageError: that is not the name of a dataset.
        """
        return f"{self.data}{checked_name(dataset)}"

    def place(self, dataset: str) -> str:
        """Return the folder of a dataset's manifest and lock.

        Raises:
            UsageError: that is not the name of a dataset.
        """
        return f"{self.manifests}{checked_name(dataset)}"

    def manifest(self, dataset: str) -> str:
        """Return the path of a dataset's manifest.

        Raises:
            UsageError: that is not the name of a dataset.
        """
        return f"{self.place(dataset)}/{MANIFEST}"

    def slot(self, unit: str) -> str:
        """Return the folder of a snapshot.

        Layout 1 has the unit's name in it. Readers that guess types take some of those values for
        times and fail at others, so layout 2 has a form that none of them takes for anything but
        text: `snapshot=2026-11-08T00-00-00Z`.
        """
        return "snapshot=" + (unit if self is FIRST else SLOT.sub(r"\1-\2-\3-\4-\5", unit))


FIRST: Final = Layout(1, "", "")
CURRENT: Final = Layout(2, "data/", "_manifests/")
LAYOUTS: Final = {layout.version: layout for layout in (FIRST, CURRENT)}


def checked_name(dataset: str) -> str:
    """Return a dataset's name.

    Raises:
        UsageError: it is not one, and could lead out of the lake as part of a path.
    """
    if not DATASET.fullmatch(dataset):
        raise UsageError(
            f"{dataset[:99]!a} is not the name of a dataset: only a-z, 0-9 and _, beginning with "
            "a letter"
        )
    return dataset
