"""Reading back: the rows of the saved query, in the form in which values are kept and compared.

Times are compared to the second, since it is not documented how precisely a tenant writes them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import polars as pl

from connectors.errors import DataRefusedError
from connectors.nexthink.fields import SHOWN_AS, FieldKind, WritableField, nql_name
from connectors.nexthink.results.result_file import ResultFile
from connectors.syncs import KEYS_IGNORE, Sameness
from tasks.columns.times import read_datetimes
from tasks.sync.objects import field_of
from tasks.sync.wanted import EMPTY, compared

KEY: Final = "key"
_SECOND: Final = "%Y-%m-%dT%H:%M:%SZ"
_DAY: Final = len("2026-10-03")
_TO_THE_SECOND: Final = len("2026-10-03T15:00:00")


def columns_of(
    header: Iterable[str], identification: str, fields: Iterable[str], query_id: str
) -> dict[str, str]:
    """Find the identifying column (as KEY) and each field in a header, ignoring case.

    Returns:
        The header's spelling, by KEY and by the name of each field.

    Raises:
        DataRefusedError: the query does not list all of them.
    """
    listed = {name.lower(): name for name in header}
    sought = {KEY: nql_name(identification)} | {name: nql_name(name) for name in fields}
    missing = [nql for nql in sought.values() if nql.lower() not in listed]
    if missing:
        raise DataRefusedError(
            f"the saved query {query_id} does not list {', '.join(missing)}: add what is missing "
            "to its list in Nexthink; nothing was compared"
        )
    return {name: listed[nql.lower()] for name, nql in sought.items()}


def read_back(
    file: ResultFile,
    columns: Mapping[str, str],
    zone: str,
    ignore: Collection[Sameness] = KEYS_IGNORE,
) -> Iterator[pl.DataFrame]:
    """Yield a result's rows in batches: KEY as keys are compared, a column of text per field.

    Args:
        file: the result.
        columns: its header's spelling, as `columns_of` returns it.
        zone: the tenant's time zone.
        ignore: what does not make two keys different.

    Raises:
        DataRefusedError: rows that do not fit the header.
    """
    for batch in file.frames():
        _check_whole(file)
        yield batch.select(
            compared(pl.col(columns[KEY]), ignore).alias(KEY),
            *(
                shown_as_kept(batch[header], field_of(name), zone).alias(name)
                for name, header in columns.items()
                if name != KEY
            ),
        ).drop_nulls(KEY)
    _check_whole(file)


def _check_whole(file: ResultFile) -> None:
    if file.take_ragged():
        raise DataRefusedError("the result read back has damaged rows; nothing was compared")


def shown_as_kept(shown: pl.Series, field: WritableField, zone: str) -> pl.Series:
    """Return values as the tenant shows them in the form that is kept; no value is empty text."""
    text = shown.fill_null(EMPTY)
    match field.kind:
        case FieldKind.NUMBER:
            return _numbers(text, field)
        case FieldKind.MOMENT:
            moments, _ = read_datetimes(text, zone)
            return moments.dt.strftime(_SECOND).fill_null(text)
        case _:
            return text


def kept_as_compared(kept: pl.Series, field: WritableField) -> pl.Series:
    """Return kept values of a field as `shown_as_kept` returns the same values read back.

    Blanks around texts do not count, since a tenant may cut them off: see `shown_as_compared`.
    """
    match field.kind:
        case FieldKind.NUMBER:
            return _without_clearing(kept, field)
        case FieldKind.MOMENT:
            value = pl.col("kept")
            second = pl.concat_str(value.str.slice(0, _TO_THE_SECOND), pl.lit("Z"))
            form = (
                pl.when(value.str.len_chars() <= _DAY)
                .then(value.replace(EMPTY, None) + "T00:00:00Z")
                .otherwise(second)
            )
            return kept.alias("kept").to_frame().select(form.fill_null(EMPTY)).to_series()
        case _:
            return kept.str.strip_chars()


def shown_as_compared(shown: pl.Expr) -> pl.Expr:
    """Return what was read back as `kept_as_compared` has it: a tenant may cut blanks off."""
    return shown.str.strip_chars()


def _numbers(text: pl.Series, field: WritableField) -> pl.Series:
    names = SHOWN_AS[field.name]
    spelled = text.str.strip_chars().str.to_lowercase().str.replace_all("[ -]", "_")
    numbers = {name: str(number) for number, name in enumerate(names) if name}
    return _without_clearing(spelled.replace(numbers), field)


def _without_clearing(numbers: pl.Series, field: WritableField) -> pl.Series:
    return numbers if field.clear is None else numbers.replace(str(field.clear), EMPTY)
