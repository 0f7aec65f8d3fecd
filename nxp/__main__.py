"""Entry point of `nxp` and `python -m nxp`."""

import atexit
import gc
import os
import sys

# Importing makes many objects that stay: collecting garbage meanwhile takes a fifth of a start.
COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command line and exit with its documented code."""
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
    """Keep a start short, before anything large is imported; for whole processes of ours only."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    # numpy's threads for linear algebra are not used here, and each start would make them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Looking for plugins of pydantic, pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _hush() -> None:
    """Close stderr to what happens while the interpreter goes: all has been said by then.

    After a flow DuckDB's bindings write fifty lines there about objects that Prefect's threads
    still know, and the last line is to be ours.
    """
    if not os.environ.get("NXP_DEBUG"):
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    main()
