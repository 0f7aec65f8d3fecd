"""Runs the command `nxp` in this process and prints its peak memory in MiB as the last line."""

import resource
import sys
from pathlib import Path

from nxp.__main__ import main


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    # If a ceiling is missing, the run ends before the machine does.
    resource.setrlimit(resource.RLIMIT_DATA, (3 * 2**30, 3 * 2**30))
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    sys.stderr.write(f"peak {_peak()}\n")
    sys.exit(code)  # type: ignore[arg-type]
