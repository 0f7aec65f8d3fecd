"""Entry point of `nxp` and `python -m nxp`."""

import atexit
import gc
import os
import sys

# Importing creates many objects that stay: collecting garbage during it takes a fifth of a start.
COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command line, and exit with the documented code."""
    # Registered first, so it is called last.
    atexit.register(_hush)
    start_lightly()
    try:
        from nxp.cli import run  # noqa: PLC0415 - Ctrl-C may come while it loads

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def start_lightly() -> None:
    """Shorten the start of a process of ours; call it before anything large is imported."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    # NumPy's threads for linear algebra are never used, but each start would create them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # To find its plugins, pydantic would read the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _hush() -> None:
    """Close stderr to whatever the interpreter's shutdown writes, after the last message.

    After a flow, DuckDB's bindings write fifty lines there about objects that Prefect's threads
    still hold, and the last line must be the command's own.
    """
    if not os.environ.get("NXP_DEBUG"):
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    main()
