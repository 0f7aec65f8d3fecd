"""Entry point of `nxp` and `python -m nxp`."""

import atexit
import gc
import os
import sys
from contextlib import suppress

from nxp.interpreter import leave_current_folder

# Importing creates many objects that stay: collecting garbage during it takes a fifth of a start.
COLLECT_AFTER = 50_000
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Run the command line, and exit with the documented code."""
    open_closed_streams()
    leave_current_folder()
    end_quietly()
    start_lightly()
    try:
        from nxp.cli import run  # noqa: PLC0415 - Ctrl-C may come while it loads

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    if flow_call := sys.modules.get("nxp.flow_call"):
        flow_call.leave_if_away(code)
    sys.exit(code)


def open_closed_streams() -> None:
    """Open what the caller has closed (`nxp … >&- 2>&-`), which Python has as None.

    Otherwise the first file that is opened, perhaps a database, gets the number of stdout.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stdin, stdout, stderr
        continue
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Kept open to the end of the process, as the real ones are.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - open as long as the process


def start_lightly() -> None:
    """Shorten the start and end of a process of ours; call it before anything large is imported."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    # The interpreter's end would look for garbage three times among all objects, for 0.25 s.
    atexit.register(gc.freeze)
    # Threads that unpack, read, type and write wait for Python's lock: a tenth of the default time
    # makes a landing 5 % shorter (benchmarks.landing); a fiftieth makes it longer.
    sys.setswitchinterval(SWITCH_SECONDS)
    # NumPy's threads for linear algebra are never used, but each start would create them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # To find its plugins, pydantic would read the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def end_quietly() -> None:
    """Let nothing be written after a process's last message; call it before anything else.

    What is registered first is called last: whatever others write at the end is still shown.
    """
    atexit.register(_hush)


def _hush() -> None:
    """Close stderr to whatever the interpreter's shutdown writes, after the last message.

    After a flow, DuckDB's bindings write fifty lines there about objects that Prefect's threads
    still hold, and the last line must be the command's own.
    """
    if not os.environ.get("NXP_DEBUG"):
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    main()
