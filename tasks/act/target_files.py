"""Reading lists of targets: text with one target on each line. Light to import."""

import sys
from pathlib import Path
from typing import Final

from connectors.errors import UsageError
from connectors.text_files import decode_text

STDIN: Final = "-"
# A file with a longer name than this is not a list of targets.
LONGEST_NAME: Final = 1_024


def read_lines(source: Path | None) -> list[str]:
    """Return the lines of a file, or of stdin if there is no file, in UTF-8 or as marked.

    Raises:
        UsageError: it cannot be read or is not text. The message quotes no line.
    """
    try:
        content = sys.stdin.buffer.read() if source is None else source.read_bytes()
        return decode_text(content).splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{source or STDIN}: is not text in UTF-8 or UTF-16") from None
    except OSError as error:
        raise UsageError(f"{source or STDIN}: {error.strerror or 'cannot be read'}") from None


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """Return the first two fields of each line of a file; blank lines are skipped.

    Raises:
        UsageError: the file cannot be read, is not text, or names no target.
    """
    lines = [line.replace("\t", ",").split(",") for line in read_lines(file)]
    found = [(line[0].strip(), line[1].strip() if len(line) > 1 else "") for line in lines]
    found = [pair for pair in found if any(pair)]
    if not found:
        raise UsageError(f"{file}: names no target")
    if any(len(name) > LONGEST_NAME or "\0" in name for pair in found for name in pair):
        raise UsageError(f"{file}: is not a list of targets, one per line")
    return found
