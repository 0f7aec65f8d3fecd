"""Examples that `--help` shows below the options of a command."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, str]] = {
    "enrich": "Example: nxp enrich request.json --domain cmdb --json",
}
