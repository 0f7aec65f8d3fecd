"""Open a ledger and a landing in a process whose files cannot grow; print how that ends.

Usage: the folder of the two files.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

from connectors.errors import PipelineError
from connectors.ledger import open_ledger
from connectors.sql import SqlLanding
from tests.databases import TENANT, specify

BYTES = 8_192


def main() -> None:
    """Print the exit code and the message of each."""
    folder = Path(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, BYTES))
    calls: list[Callable[[], object]] = [
        lambda: open_ledger(f"sqlite:///{folder}/ledger.db", TENANT),
        lambda: SqlLanding(f"sqlite:///{folder}/landed.db", TENANT, specify()).check(),
        lambda: SqlLanding(f"duckdb:///{folder}/landed.duckdb", TENANT, specify()).check(),
    ]
    for call in calls:
        try:
            call()
        except PipelineError as error:
            sys.stdout.write(f"{error.exit_code} {error}\n")


if __name__ == "__main__":
    main()
