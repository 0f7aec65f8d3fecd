"""The library: the files that a project copies from (`nxp add`), shipped inside the package."""

from pathlib import Path

LIBRARY = Path(__file__).parent
