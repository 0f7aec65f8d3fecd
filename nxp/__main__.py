"""Entry point of `nxp` and `python -m nxp`."""

import atexit
import os
import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    # Registered first, so it is called last.
    atexit.register(_hush)
    try:
        from nxp.cli import run  # noqa: PLC0415 - Ctrl-C may come while it loads

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


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
