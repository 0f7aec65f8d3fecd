"""Runs a program that a test has as text, in a process of its own.

Usage: python -m tests.program_once PROGRAM [word…]; the program finds the words in `sys.argv`.
"""

import sys


def main() -> None:
    """Run it as if it were the whole process."""
    _, program, *words = sys.argv
    sys.argv = ["-c", *words]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    main()
