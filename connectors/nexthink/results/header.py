"""The header of a result, from its first block of text."""

import csv
import io

from connectors.errors import DataRefusedError
from connectors.limits import KB, Limits, setting


def read_beginning(first: bytes, block_bytes: int, limits: Limits) -> tuple[list[str], bool]:
    """Return the header in the first block (empty without text), and whether anything follows it.

    Args:
        first: the first block.
        block_bytes: how long it is, unless the result ends in it.
        limits: the ceilings.

    Raises:
        DataRefusedError: there is no header, or it is beyond the ceilings.
    """
    most = int(limits.max_header_kb * KB)
    is_cut = len(first) >= block_bytes
    if not any(end in first[: most + 4] for end in (b"\n", b"\r")) and len(first) > most:
        raise _header_too_long(limits)
    try:
        with io.TextIOWrapper(io.BytesIO(first), encoding="utf-8-sig", newline="") as text:
            header = next(csv.reader(text, strict=True), [])
            if not header and (is_cut or any(line.strip("\r\n") for line in text)):
                raise DataRefusedError("the result begins with an empty line: no header")
            has_rows = bool(header) and next(text, None) is not None
    except (UnicodeDecodeError, csv.Error):
        raise DataRefusedError("the beginning of the result is not CSV in UTF-8") from None
    if sum(map(len, header)) > most:
        raise _header_too_long(limits)
    if len(header) > limits.max_columns:
        raise DataRefusedError(
            f"the result has {len(header)} columns, more than {limits.max_columns}: list fewer in "
            f"the saved query, or raise {setting('max_columns')}; nothing was published"
        )
    return header, has_rows


def _header_too_long(limits: Limits) -> DataRefusedError:
    return DataRefusedError(
        f"the first line of the result, its header, is longer than {limits.max_header_kb:g} KiB: "
        f"list fewer columns in the saved query, or raise {setting('max_header_kb')}; "
        "nothing was published"
    )
