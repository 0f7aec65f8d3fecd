"""Entry point of `nxp` and `python -m nxp`."""

import sys

from nxp.cli import run


def main() -> None:
    """Run the command line and exit with its documented code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
