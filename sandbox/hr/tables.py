"""The personnel tables, with the faults that real ones have."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from sandbox.estate import catalogue
from sandbox.estate.chance import stream
from sandbox.hr.register import (
    ACTIVE,
    COUNTRIES,
    DEPARTMENT_CODES,
    JOINER,
    LEAVER,
    cost_centre,
    portion,
)

# Shares of people with each fault. Each fault affects at least one person.
NOT_YET_RECORDED = 0.02
RECORDED_LATE = 0.03
DUPLICATED = 0.01
BLANK_DEPARTMENT = 0.03
BLANK_SID = 0.1
TRAILING_BLANK = 0.01
OTHER_CASE = 0.03

# Every table and the column that identifies its rows.
KEYS = {
    "cost_centres": "cost_centre_code",
    "departments": "department_code",
    "positions": "position_id",
    "people": "record_id",
}

_DAY = timedelta(days=1)


def make_tables(register: pl.DataFrame, seed: int, moment: datetime) -> dict[str, pl.DataFrame]:
    """Return all tables; those that others refer to come first."""
    rng = stream(seed, "personnel")
    positions = _positions()
    return {
        "cost_centres": _cost_centres(),
        "departments": _departments(register),
        "positions": positions,
        "people": _people(rng, register, positions, moment.astimezone(UTC)),
    }


def _cost_centres() -> pl.DataFrame:
    units = pl.DataFrame({"department": list(DEPARTMENT_CODES)})
    countries = pl.DataFrame({"country_code": list(COUNTRIES)})
    return units.join(countries, how="cross").select(
        cost_centre().alias("cost_centre_code"),
        pl.concat_str("department", pl.lit(" ("), "country_code", pl.lit(")")).alias("name"),
        "country_code",
        pl.lit("2015-01-01").str.to_date().alias("valid_from"),
    )


def _departments(register: pl.DataFrame) -> pl.DataFrame:
    heads = (
        register.filter(pl.col("status") == ACTIVE)
        .group_by("department", maintain_order=True)
        .agg(pl.col("employee_id").first().alias("head_employee_id"))
    )
    rows = pl.DataFrame(
        {
            "department_code": ["D000", *DEPARTMENT_CODES.values()],
            "department": ["Corporate", *DEPARTMENT_CODES],
            "parent_code": [None, *["D000"] * len(DEPARTMENT_CODES)],
        }
    )
    return rows.join(heads, on="department", how="left", maintain_order="left").rename(
        {"department": "name"}
    )


def _positions() -> pl.DataFrame:
    units = pl.DataFrame(
        {"department": list(DEPARTMENT_CODES), "department_code": list(DEPARTMENT_CODES.values())}
    )
    titles = pl.DataFrame(
        {"title": catalogue.JOB_TITLES, "t": np.arange(1, len(catalogue.JOB_TITLES) + 1)}
    )
    number = pl.col("t").cast(pl.String).str.zfill(2)
    return units.join(titles, how="cross").select(
        pl.concat_str(pl.lit("P-"), "department_code", pl.lit("-"), number).alias("position_id"),
        "title",
        "department_code",
        (pl.col("t") % 5 + 5).cast(pl.Int64).alias("grade"),
    )


def _people(
    rng: np.random.Generator, register: pl.DataFrame, positions: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return the records: the register with the faults of a real one."""
    active = (register["status"] == ACTIVE).to_numpy()
    missing = portion(rng, register.height, NOT_YET_RECORDED) & active
    # The only person of an estate keeps their record.
    known = register.filter(~pl.Series(missing)) if active.sum() > 1 else register
    coded = known.with_columns(
        pl.col("department").replace_strict(DEPARTMENT_CODES, default=None).alias("department_code")
    ).join(
        positions.select("position_id", "department_code", pl.col("title").alias("job_title")),
        on=["department_code", "job_title"],
        how="left",
        maintain_order="left",
    )
    changed, recorded = _instants(rng, coded, now)
    records = coded.with_columns(
        pl.lit("employee").alias("employment_type"),
        changed.alias("valid_from"),
        recorded.alias("recorded_at"),
    )
    records = pl.concat([records, _second_records(rng, records)])
    records = _blemished(rng, records)
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7)
    return records.select(
        pl.concat_str(pl.lit("R"), number).alias("record_id"),
        "employee_id",
        pl.col("given_name").alias("first_name"),
        pl.col("family_name").alias("last_name"),
        pl.col("former_family_name").alias("former_last_name"),
        "email",
        "upn",
        "sid",
        "department_code",
        "position_id",
        pl.col("cost_centre").alias("cost_centre_code"),
        pl.col("manager").alias("manager_employee_id"),
        "site",
        "country_code",
        "employment_type",
        "status",
        "hire_date",
        "termination_date",
        "valid_from",
        "recorded_at",
    )


def _instants(
    rng: np.random.Generator, people: pl.DataFrame, now: datetime
) -> tuple[pl.Series, pl.Series]:
    """Return since when each record is valid and when it was written; some were weeks late."""
    count = people.height
    recorded = rng.integers(2, 400, count)
    late = portion(rng, count, RECORDED_LATE)
    delay = np.where(late, rng.integers(15, 60, count), rng.integers(0, 3, count))
    recorded = np.where(late, 0, recorded)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    seconds = rng.integers(0, 3 * 3600, count)
    frame = people.select("hire_date").with_columns(
        ago=pl.Series(recorded), delay=pl.Series(delay), seconds=pl.Series(seconds)
    )
    # The nightly run writes between 00:00 and 03:00.
    written = pl.lit(midnight) - pl.duration(days="ago") + pl.duration(seconds="seconds")
    made = frame.select(
        # Tonight's run may still be under way: no record is written in the future.
        pl.min_horizontal(written, pl.lit(now.replace(microsecond=0, tzinfo=None)))
        .cast(pl.Datetime("us"))
        .alias("recorded_at"),
        (written - pl.duration(days="delay")).dt.date().alias("valid_from"),
    )
    return made["valid_from"], made["recorded_at"]


def _second_records(rng: np.random.Generator, records: pl.DataFrame) -> pl.DataFrame:
    """Return second records of former contractors: the same UPN, another number."""
    chosen = records.filter(pl.Series(portion(rng, records.height, DUPLICATED)))
    return chosen.with_columns(
        pl.concat_str(pl.lit("C"), pl.col("employee_id").str.slice(1)).alias("employee_id"),
        pl.lit("contractor").alias("employment_type"),
        pl.lit(LEAVER).alias("status"),
        pl.lit(None, pl.String).alias("sid"),
        pl.lit(None, pl.String).alias("position_id"),
        pl.coalesce("former_email", "email").alias("email"),
        (pl.col("hire_date") - 400 * _DAY).alias("hire_date"),
        (pl.col("hire_date") - _DAY).alias("termination_date"),
        (pl.col("valid_from") - 400 * _DAY).alias("valid_from"),
    )


def _blemished(rng: np.random.Generator, records: pl.DataFrame) -> pl.DataFrame:
    count = records.height

    def where(share: float) -> pl.Series:
        return pl.Series(portion(rng, count, share))

    joined = where(BLANK_SID) | (records["status"] == JOINER)
    blank = where(BLANK_DEPARTMENT)
    nothing = pl.lit(None, pl.String)
    return records.with_columns(
        pl.when(joined).then(nothing).otherwise("sid").alias("sid"),
        pl.when(blank).then(nothing).otherwise("department_code").alias("department_code"),
        pl.when(blank).then(nothing).otherwise("position_id").alias("position_id"),
        _changed("family_name", where(TRAILING_BLANK), pl.col("family_name") + " "),
        _changed("email", where(OTHER_CASE), pl.col("email").str.to_uppercase()),
        _changed("upn", where(OTHER_CASE), pl.col("upn").str.to_titlecase()),
    )


def _changed(name: str, where: pl.Series, other: pl.Expr) -> pl.Expr:
    return pl.when(where).then(other).otherwise(name).alias(name)
