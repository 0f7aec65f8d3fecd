"""Lists of targets with named fields: CSV with a header, or JSON. Light to import.

Problems name a row's number, never a value: names, SIDs and parameters may be people's data.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connectors.errors import UsageError
from connectors.text_files import decode_text
from tasks.act.target_files import LONGEST_NAME, STDIN

# By kind: the names that a field may have, those of the API and those of NQL.
DEVICE_FIELDS: Final[Mapping[str, str]] = {
    "collectoruid": "collector_uid",
    "collector_uid": "collector_uid",
    "device.collector.uid": "collector_uid",
    "name": "name",
    "device.name": "name",
    "uid": "uid",
    "device.uid": "uid",
}
USER_FIELDS: Final[Mapping[str, str]] = {
    "sid": "sid",
    "usersid": "sid",
    "user.sid": "sid",
    "upn": "upn",
    "user.upn": "upn",
    "uid": "uid",
    "user.uid": "uid",
}
_DELIMITERS: Final = ",;\t"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Rows of a file, with fields under our names; empty fields are left out of a row.

    `numbers` are the rows' lines in the file, or their places in a JSON list; `names` are the
    columns of CSV.
    """

    file: str
    names: Sequence[str]
    rows: Sequence[Mapping[str, str]] = field(repr=False)
    numbers: Sequence[int]


def read_content(file: str) -> str:
    """Return the text of a file, or of stdin for `-`, in UTF-8 or as its mark says.

    Raises:
        UsageError: it cannot be read or is not text. The message quotes nothing of it.
    """
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return decode_text(content)
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not text in UTF-8 or UTF-16") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None


def table_of(
    file: str, text: str, fields: Mapping[str, str], *, others: bool = False
) -> TargetTable | None:
    """Return the rows of CSV or JSON; None for a text of another form, such as one name a line.

    Args:
        file: its name, for errors.
        text: its content.
        fields: our name of each field, by its name in lower case.
        others: keep fields under other names too; otherwise they are refused.

    Raises:
        UsageError: it is CSV or JSON, and something is wrong with it.
    """

    def our_name(given: str) -> str | None:
        known = fields.get(given.strip().lower())
        return known or (given.strip() if others and given.strip() else None)

    start = text.lstrip()[:1]
    if start in ("[", "{") and start:
        return _json_table(file, text, our_name, fields)
    first = text.split("\n", 1)[0]
    for delimiter in _DELIMITERS:
        header = next(csv.reader([first], delimiter=delimiter), [])
        known = [name for name in header if name.strip().lower() in fields]
        if known and (len(header) > 1 or delimiter == _DELIMITERS[0]):
            return _csv_table(file, text, delimiter, our_name, fields)
    return None


def _csv_table(
    file: str,
    text: str,
    delimiter: str,
    our_name: Callable[[str], str | None],
    fields: Mapping[str, str],
) -> TargetTable:
    _check_syntax(file, text, delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = next(reader)
    names = [_known(file, each, our_name, fields) for each in header]
    if len(set(names)) < len(names):
        raise UsageError(f"{file}: a column is there twice, or under two names of the same thing")
    rows, numbers = [], []
    try:
        for row in reader:
            if not any(value.strip() for value in row):
                continue
            if len(row) != len(names):
                raise UsageError(
                    f"{file}: line {reader.line_num} has {len(row)} fields, and the header "
                    f"{len(names)}; nothing was sent"
                )
            rows.append(_filled(zip(names, row, strict=True)))
            numbers.append(reader.line_num)
    except csv.Error:
        raise UsageError(f"{file}: line {reader.line_num} is not CSV; nothing was sent") from None
    return _checked(TargetTable(file, names, rows, numbers))


def _check_syntax(file: str, text: str, delimiter: str) -> None:
    from connectors.csv_syntax import CsvSyntax, CsvSyntaxError  # noqa: PLC0415 - NumPy

    syntax = CsvSyntax(delimiter)
    try:
        syntax.feed(text.encode(errors="replace"))
        syntax.finish()
    except CsvSyntaxError as error:
        raise UsageError(f"{file}: {error}; nothing was sent") from None


def _json_table(
    file: str, text: str, our_name: Callable[[str], str | None], fields: Mapping[str, str]
) -> TargetTable | None:
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{file}: is not JSON; nothing was sent") from None
    if not isinstance(read, list):
        raise UsageError(f"{file}: is not a JSON list of objects; nothing was sent")
    rows = []
    for number, entry in enumerate(read):
        if not isinstance(entry, dict):
            raise UsageError(f"{file}: entry {number} is not an object; nothing was sent")
        names = {_known(file, name, our_name, fields): value for name, value in entry.items()}
        if any(value is not None and not isinstance(value, str) for value in names.values()):
            raise UsageError(
                f"{file}: entry {number} has a value that is not text; nothing was sent"
            )
        if len(names) < len(entry):
            raise UsageError(f"{file}: entry {number} names the same thing twice; nothing was sent")
        rows.append(_filled((name, value or "") for name, value in names.items()))
    return _checked(TargetTable(file, (), rows, range(len(rows))))


def _known(
    file: str, given: str, our_name: Callable[[str], str | None], fields: Mapping[str, str]
) -> str:
    found = our_name(given)
    if found is None:
        # Names of columns are not values; a line that is not a header may hold some, so it is cut.
        raise UsageError(
            f"{file}: {given[:40]!r} is none of the fields {', '.join(dict.fromkeys(fields))}; "
            "nothing was sent"
        )
    return found


def _filled(row: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value.strip() for name, value in row if value.strip()}


def _checked(table: TargetTable) -> TargetTable:
    if not table.rows:
        raise UsageError(f"{table.file}: names no target")
    for number, row in zip(table.numbers, table.rows, strict=True):
        if any(len(value) > LONGEST_NAME or "\0" in value for value in row.values()):
            raise UsageError(f"{table.file}: row {number} has a value that is too long, or no text")
    return table
