"""Entry point of `nxp` and `python -m nxp`."""

import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    try:
        from nxp.cli import run  # noqa: PLC0415 - Ctrl-C may come while it loads

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
