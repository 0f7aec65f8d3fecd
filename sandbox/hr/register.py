"""The true data of the people behind the estate's accounts; systems of record distort them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.engine import Engine
from sandbox.estate import catalogue
from sandbox.estate.chance import at, choose, pick, stream

_USERS = (
    "users | list name, sid, username, upn, ad.full_name, ad.email_address, ad.job_title,"
    " ad.department, ad.office, ad.country_code, ad.distinguished_name"
)
_SID = "S-1-5-21-3623811015-3361044348-30300820-"
# Above the numbers of existing accounts, so that no number is used twice.
_EXTRA = 900_000
_TEAM = 8

LEFT_WITH_ACCOUNT = 0.02
LEFT = 0.05
JOINING = 0.02
RENAMED = 0.015

ACTIVE, LEAVER, JOINER = "active", "leaver", "joiner"

COUNTRIES = {p.code: p.country for p in catalogue.PLACES}
DEPARTMENT_CODES = {name: f"D{(i + 1) * 100}" for i, name in enumerate(catalogue.DEPARTMENTS)}


def ask(engine: Engine, text: str, moment: datetime) -> pl.DataFrame:
    """Return what the estate shows to a query at a moment."""
    return pl.concat(engine.rows(engine.prepare(text, {}, moment)))


def portion(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    """Return a mask of a share of the rows: at least one row, if there are any."""
    chosen = np.zeros(count, dtype=np.bool_)
    if share > 0 and count:
        chosen[rng.permutation(count)[: max(1, round(count * share))]] = True
    return chosen


def make_register(engine: Engine, seed: int, moment: datetime) -> pl.DataFrame:
    """Return the register: people who have, had or will have an account in the directory."""
    rng = stream(seed, "register")
    today = moment.astimezone(UTC).date()
    people = pl.concat([_with_account(engine, moment), *_without_account(rng, engine, moment)])
    people = people.with_columns(_careers(rng, people["status"], today))
    renamed = portion(rng, people.height, RENAMED)
    people = people.with_columns(_renamed(rng, people, renamed))
    return _managed(people).with_columns(cost_centre())


def cost_centre() -> pl.Expr:
    """Return the cost centre of a department in a country."""
    unit = pl.col("department").replace_strict(DEPARTMENT_CODES, default=None)
    return pl.concat_str(pl.lit("CC-"), unit, pl.lit("-"), "country_code").alias("cost_centre")


def _with_account(engine: Engine, moment: datetime) -> pl.DataFrame:
    """Return the people among the users, without local accounts and the system account."""
    users = ask(engine, _USERS, moment).rename(lambda name: name.removeprefix("user."))
    known = users.filter(
        pl.col("upn").is_not_null(),
        pl.col("ad.full_name").is_not_null(),
        pl.col("sid").str.starts_with("S-1-5-21-"),
    )
    full = pl.col("ad.full_name")
    return known.select(
        pl.concat_str(pl.lit("E"), pl.col("sid").str.extract(r"(\d+)$").str.zfill(6)).alias(
            "employee_id"
        ),
        "sid",
        # The name that devices show as their last login.
        pl.col("name").alias("account"),
        "username",
        "upn",
        # Either `Family, Given` or `Given "Nick" Family`.
        pl.coalesce(full.str.extract(r"^.+, (.+)$"), full.str.extract(r'^(.+) ".+" .+$')).alias(
            "given_name"
        ),
        pl.coalesce(full.str.extract(r"^(.+), .+$"), full.str.extract(r'^.+ ".+" (.+)$')).alias(
            "family_name"
        ),
        pl.col("ad.email_address").alias("email"),
        pl.col("ad.job_title").alias("job_title"),
        pl.col("ad.department").alias("department"),
        pl.col("ad.office").replace("", None).alias("site"),
        pl.col("ad.country_code").alias("country_code"),
        pl.col("ad.distinguished_name").alias("distinguished_name"),
        pl.lit(ACTIVE).alias("status"),
    ).sort("employee_id")


def _without_account(
    rng: np.random.Generator, engine: Engine, moment: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return people who have left and people who have not started."""
    known = _with_account(engine, moment).height
    gone, coming = max(1, round(known * LEFT)), max(1, round(known * JOINING))
    people = _strangers(rng, gone + coming)
    # People who have not started have no account yet, so no SID.
    joiners = people.tail(coming).with_columns(
        pl.lit(None, pl.String).alias("sid"), pl.lit(JOINER).alias("status")
    )
    return people.head(gone), joiners


def _strangers(rng: np.random.Generator, count: int) -> pl.DataFrame:
    first = rng.integers(0, len(catalogue.FIRST_NAMES), count)
    last = rng.integers(0, len(catalogue.LAST_NAMES), count)
    place = choose(rng, count, [p.weight for p in catalogue.PLACES])
    number = pl.Series(np.arange(_EXTRA, _EXTRA + count)).cast(pl.String)
    base = pl.DataFrame(
        {
            "n": number,
            "a": at(catalogue.FIRST_ACCOUNTS, first),
            "b": at(catalogue.LAST_ACCOUNTS, last),
            "given_name": at(catalogue.FIRST_NAMES, first),
            "family_name": at(catalogue.LAST_NAMES, last),
            "job_title": pick(rng, count, catalogue.JOB_TITLES),
            "department": pick(rng, count, catalogue.DEPARTMENTS),
            "site": at([p.site for p in catalogue.PLACES], place),
            "country_code": at([p.code for p in catalogue.PLACES], place),
        }
    ).with_columns(pl.concat_str("a", pl.lit("."), "b", "n").alias("username"))
    address = pl.concat_str("username", pl.lit("@example.com"))
    return base.select(
        pl.concat_str(pl.lit("E"), "n").alias("employee_id"),
        pl.concat_str(pl.lit(_SID), "n").alias("sid"),
        pl.concat_str("username", pl.lit("@corp")).alias("account"),
        "username",
        address.alias("upn"),
        "given_name",
        "family_name",
        address.alias("email"),
        "job_title",
        "department",
        "site",
        "country_code",
        pl.lit(None, pl.String).alias("distinguished_name"),
        pl.lit(LEAVER).alias("status"),
    )


def _careers(rng: np.random.Generator, status: pl.Series, today: date) -> list[pl.Series]:
    """Return status and dates of hire and leaving; some leavers still have their account."""
    count = status.len()
    gone, coming = (status == LEAVER).to_numpy(), (status == JOINER).to_numpy()
    left_lately = portion(rng, count, LEFT_WITH_ACCOUNT) & ~gone & ~coming
    since = rng.integers(900, 6000, count)
    since = np.where(portion(rng, count, 0.03), rng.integers(1, 30, count), since)
    hired = np.where(coming, -rng.integers(1, 60, count), since)
    ended = np.where(left_lately, rng.integers(0, 60, count), rng.integers(30, 700, count))
    hired = np.where(gone | left_lately, since + 900, hired)
    state = np.where(gone | left_lately, LEAVER, np.where(coming, JOINER, ACTIVE))
    return [
        pl.Series("status", state.tolist(), dtype=pl.String),
        _days_before(today, hired).alias("hire_date"),
        _days_before(today, ended, gone | left_lately).alias("termination_date"),
    ]


def _days_before(
    today: date, days: NDArray[np.int64], where: NDArray[np.bool_] | None = None
) -> pl.Series:
    origin = (today - date(1970, 1, 1)) // timedelta(days=1)
    series = pl.Series("", origin - days).cast(pl.Int32).cast(pl.Date)
    if where is None:
        return series
    return pl.select(pl.when(pl.Series(where)).then(series)).to_series()


def _renamed(
    rng: np.random.Generator, people: pl.DataFrame, where: NDArray[np.bool_]
) -> list[pl.Series]:
    """Return names and addresses, some of them changed since; the UPN stays."""
    index = rng.integers(0, len(catalogue.LAST_NAMES), people.height)
    number = people["username"].str.extract(r"(\d+)$")
    account = people["username"].str.extract(r"^([^.]+)\.")
    frame = people.select("family_name", "email").with_columns(
        new=at(catalogue.LAST_NAMES, index),
        to=at(catalogue.LAST_ACCOUNTS, index),
        given=account,
        n=number,
        where=pl.Series(where),
    )
    address = pl.concat_str("given", pl.lit("."), "to", "n", pl.lit("@example.com"))
    return frame.select(
        pl.when("where").then("family_name").alias("former_family_name"),
        pl.when("where").then("email").alias("former_email"),
        pl.when("where").then("new").otherwise("family_name").alias("family_name"),
        pl.when("where").then(address).otherwise("email").alias("email"),
    ).get_columns()


def _managed(people: pl.DataFrame) -> pl.DataFrame:
    """Return the people with managers: team leads, department heads, and one at the top."""
    ranked = people.with_columns(
        (pl.int_range(pl.len()).over(pl.col("status") == ACTIVE, "department")).alias("rank")
    )
    leads = ranked.filter(pl.col("status") == ACTIVE).select(
        "department", pl.col("rank").alias("lead"), pl.col("employee_id").alias("manager")
    )
    in_team = (pl.col("rank") % _TEAM != 0) | (pl.col("status") != ACTIVE)
    ranked = ranked.with_columns(
        pl.when(in_team).then(pl.col("rank") // _TEAM * _TEAM).otherwise(0).alias("lead")
    )
    joined = ranked.join(leads, on=["department", "lead"], how="left", maintain_order="left")
    top = people.filter(pl.col("status") == ACTIVE)["employee_id"].first()
    own = pl.col("manager") == pl.col("employee_id")
    manager = pl.when(own).then(pl.lit(top, pl.String)).otherwise("manager")
    return joined.with_columns(
        pl.when(manager != pl.col("employee_id")).then(manager).alias("manager")
    ).drop("rank", "lead")
