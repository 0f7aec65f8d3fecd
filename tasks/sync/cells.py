"""What the SELECT says about each field of each row: a value, to empty it, or nothing.

Column by column, without Python code per row; which rows belong to one object is decided later.
Values become text in one canonical form: values that mean the same compare equal.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from connectors.nexthink.column_checks import check_column
from connectors.nexthink.fields import FIRST_YEAR, LAST_YEAR, FieldKind, ValueProblem, WritableField
from connectors.syncs import (
    KEYS_IGNORE,
    EmptyText,
    FieldMapping,
    Normalisation,
    Sameness,
    SyncMode,
    SyncSpecification,
)
from tasks.sync.wanted import EMPTY, compared

# Reasons of rejects; those of `ValueProblem` are reasons too.
UNTRANSLATED: Final = "not among the values"
NUL: Final = "has a NUL character"
WITHOUT_KEY: Final = "no key"
LONG_KEY: Final = "key too long"
# The ledger's index can hold it in every supported database.
LONGEST_KEY: Final = 255
# How DuckDB writes moments: a blank before the time, and an offset in hours.
_OWN_MOMENT: Final = (
    r"^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)([+-]\d{2}(?::\d{2})?)$"
)
_NUMBER: Final = r"^[+-]?[0-9]{1,18}$"
_PARTS: Final = (
    r"^(?<day>.{10})(?:T(?<clock>\d{2}:\d{2})(?::(?<second>\d{2})(?:\.(?<fraction>\d+))?)?"
    r"(?:Z|(?<sign>[+-])(?<hours>\d{2}):(?<minutes>\d{2})))?$"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a batch of rows says.

    Attributes:
        cells: a column for each field, in order (`v0`, `v1` …): a value, EMPTY, or null; `bad`:
            a value was refused; `not_clearable`: a field that cannot be emptied was to be emptied.
        rejects: row (place in the batch), field, reason: one line for each refused value.
    """

    cells: pl.DataFrame = field(repr=False)
    rejects: pl.DataFrame = field(repr=False)


def read_cells(sync: SyncSpecification, texts: pl.DataFrame, clears: pl.DataFrame) -> Said:
    """Read the cells of a batch.

    Args:
        sync: the sync.
        texts: the SELECT's column for each field, in the fields' order, as text.
        clears: by field name, whether its `clear_when` holds; null means no.
    """
    nothing = pl.repeat(False, texts.height, dtype=pl.Boolean, eager=True)
    bad = not_clearable = nothing
    cells: list[pl.Series] = []
    rejects: list[pl.DataFrame] = []
    for place, (name, mapping) in enumerate(sync.fields.items()):
        api = sync.api_fields[name]
        text = _normalised(mapping.normalise, texts.to_series(place))
        empties = _empties(sync, mapping, text, clears.get_column(name, default=nothing))
        values = pl.select(pl.when((text != "") & ~empties).then(text)).to_series()
        values, reasons = _read(mapping, api, values)
        if api.clear is None:
            not_clearable = not_clearable | empties
        else:
            values = pl.select(pl.when(empties).then(pl.lit(EMPTY)).otherwise(values)).to_series()
        cells.append(values.alias(cell_name(place)))
        bad = bad | reasons.is_not_null()
        refused = reasons.alias("reason").to_frame().with_row_index("row").drop_nulls()
        rejects.append(refused.select("row", pl.lit(name).alias("field"), "reason"))
    flags = [bad.alias("bad"), not_clearable.alias("not_clearable")]
    return Said(pl.DataFrame([*cells, *flags]), pl.concat(rejects))


def cell_name(place: int) -> str:
    """Return the name of the column with a field's cells, by the field's place in the YAML."""
    return f"v{place}"


def read_keys(identities: pl.Series, ignore: Collection[Sameness] = KEYS_IGNORE) -> pl.DataFrame:
    """Read identities: key, identity, and the reason if a row has none that can be used.

    Args:
        identities: as the source spells them.
        ignore: what does not make two keys different.
    """
    raw = pl.col("raw")
    sent = raw.str.strip_chars() if Sameness.BLANKS in ignore else raw
    frame = identities.alias("raw").to_frame()
    frame = frame.select(compared(raw, ignore).alias("key"), sent.alias("identity"))
    longest = pl.max_horizontal(pl.col("key", "identity").str.len_chars())
    has_nul = pl.col("key").str.contains("\0", literal=True)
    reason = (
        pl.when(pl.col("key").is_null())
        .then(pl.lit(WITHOUT_KEY))
        .when(longest > LONGEST_KEY)
        .then(pl.lit(LONG_KEY))
        .when(has_nul)
        .then(pl.lit(NUL))
    )
    frame = frame.with_columns(reason.alias("reason"))
    usable = pl.col("reason").is_null()
    return frame.with_columns(pl.when(usable).then(pl.col("key", "identity")))


def _normalised(steps: tuple[Normalisation, ...], texts: pl.Series) -> pl.Series:
    for step in steps:
        match step:
            case Normalisation.TRIM:
                texts = texts.str.strip_chars()
            case Normalisation.COLLAPSE:
                texts = texts.str.replace_all(r"\s+", " ")
            case Normalisation.UPPER:
                texts = texts.str.to_uppercase()
            case Normalisation.LOWER:
                texts = texts.str.to_lowercase()
            case Normalisation.NFC:
                texts = texts.str.normalize("NFC")
    return texts


def _empties(
    sync: SyncSpecification, mapping: FieldMapping, text: pl.Series, clears: pl.Series
) -> pl.Series:
    """Return which cells say that the field is to be empty."""
    empty, null = (text == "").fill_null(value=False), text.is_null()
    keeps, mirrors = mapping.empty is EmptyText.KEEP, sync.mode is SyncMode.MIRROR
    empties = clears.fill_null(value=False)
    if keeps or mirrors:
        empties = empties | empty
    return empties | null if mirrors else empties


def _read(
    mapping: FieldMapping, api: WritableField, text: pl.Series
) -> tuple[pl.Series, pl.Series]:
    """Return the values in canonical form, and the reason for each that is refused."""
    value = pl.col("value")
    targets = {source: str(target) for source, target in mapping.values.items()}
    translated = value.replace_strict(targets, default=None, return_dtype=pl.String)
    frame = text.alias("value").to_frame()
    frame = frame.with_columns(
        translated if targets else value,
        pl.when(value.str.contains("\0", literal=True))
        .then(pl.lit(NUL))
        .when(translated.is_null() & value.is_not_null() & bool(targets))
        .then(pl.lit(UNTRANSLATED))
        .alias("reason"),
    )
    written, problems = _canonical(api, frame["value"])
    frame = pl.DataFrame({"value": written, "reason": frame["reason"], "problem": problems})
    frame = frame.select("value", pl.coalesce("reason", "problem").alias("reason"))
    value = pl.when(pl.col("reason").is_null()).then("value").alias("value")
    return frame.select(value).to_series(), frame["reason"]


def _canonical(api: WritableField, text: pl.Series) -> tuple[pl.Series, pl.Series]:
    match api.kind:
        case FieldKind.TEXT:
            return text, check_column(api, text).problems
        case FieldKind.NUMBER:
            value = pl.when(text.str.contains(_NUMBER)).then(text)
            number = pl.select(value.cast(pl.Int64)).to_series()
            wrong = text.is_not_null() & number.is_null()
            is_none = pl.when(wrong).then(pl.lit(ValueProblem.WRONG_TYPE.value))
            problems = pl.select(pl.coalesce(is_none, check_column(api, number).problems))
            return number.cast(pl.String), problems.to_series()
        case FieldKind.MOMENT:
            return _moments(api, text)


def _moments(api: WritableField, text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return moments in UTC to the millisecond; a date means its midnight."""
    text = text.str.replace(_OWN_MOMENT, "${1}T${2}${3}")
    text = text.str.replace(r"(T.*[+-]\d{2})$", "${1}:00")
    frame = text.str.extract_groups(_PARTS).struct.unnest()
    ahead = pl.col("hours").cast(pl.Int64) * 60 + pl.col("minutes").cast(pl.Int64)
    ahead = pl.when(pl.col("sign") == "-").then(-ahead).otherwise(ahead).fill_null(0)
    local = pl.concat_str(
        "day",
        pl.lit("T"),
        pl.col("clock").fill_null("00:00"),
        pl.lit(":"),
        pl.col("second").fill_null("00"),
    ).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False)
    moment = pl.col("moment")
    fraction = pl.col("fraction").fill_null("").str.slice(0, 3).str.pad_end(3, "0")
    written = pl.concat_str(
        moment.dt.strftime("%Y-%m-%dT%H:%M:%S."), fraction, pl.lit("Z"), ignore_nulls=False
    )
    # An offset may lead outside the years that four digits can write.
    is_out = ~moment.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    frame = frame.with_columns((local - pl.duration(minutes=ahead)).alias("moment")).select(
        written.alias("value"),
        pl.when(is_out).then(pl.lit(ValueProblem.OUT_OF_RANGE.value)).alias("out"),
    )
    frame = frame.with_columns(check_column(api, text).problems.alias("problem"))
    return frame["value"], frame.select(pl.coalesce("problem", "out")).to_series()
