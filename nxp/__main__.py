"""Entry point of `nxp` and `python -m nxp`."""

import atexit
import gc
import os
import sys

# Imports make many objects that stay, and collecting garbage among them takes a fifth of a start.
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
    """Shorten the start of a process of our own; call it before large imports."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    # numpy would start threads for linear algebra, which nothing here uses.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # To look for plugins, pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _hush() -> None:
    """Silence stderr while the interpreter shuts down, when everything has been said.

    After a flow, DuckDB's bindings write fifty lines there about objects that Prefect's threads
    still hold, and the last line should be ours.
    """
    if not os.environ.get("NXP_DEBUG"):
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    main()
