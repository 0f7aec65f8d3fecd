"""People and where they belong: users, departments, locations, cost centres."""

import numpy as np
import polars as pl

from sandbox.estate import catalogue
from sandbox.estate.chance import some, stream
from sandbox.hr.register import ACTIVE, DEPARTMENT_CODES, JOINER, LEAVER, cost_centre, portion
from sandbox.servicenow.rows import sys_ids

# Shares of rows with each fault.
MISSING = 0.02
DUPLICATED = 0.01
STILL_ACTIVE = 0.3
OTHER_CASE = 0.03
TRAILING_BLANK = 0.01

_SERVICES = ("admin", "svc.discovery", "svc.monitoring")


def make_places(seed: int) -> pl.DataFrame:
    """Return the locations: countries above their sites."""
    places = catalogue.PLACES
    countries = list(dict.fromkeys(p.country for p in places))
    ids = sys_ids(seed, "cmn_location", len(countries) + len(places)).to_list()
    parents = dict(zip(countries, ids, strict=False))
    names = [*countries, *(p.site for p in places)]
    return pl.DataFrame(
        {
            "sys_id": ids,
            "name": names,
            "full_name": [*countries, *(f"{p.country}/{p.site}" for p in places)],
            "parent": ["" for _ in countries] + [parents[p.country] for p in places],
            "street": ["" for _ in countries] + [f"1 {p.site} Square" for p in places],
            "city": ["" for _ in countries] + [p.city for p in places],
            "country": [*countries, *(p.country for p in places)],
        }
    )


def make_cost_centres(seed: int) -> pl.DataFrame:
    """Return the cost centres, with the codes that the personnel department uses."""
    units = pl.DataFrame({"department": list(DEPARTMENT_CODES)})
    countries = pl.DataFrame({"country_code": sorted({p.code for p in catalogue.PLACES})})
    frame = units.join(countries, how="cross").with_columns(cost_centre().alias("code"))
    return frame.select(
        sys_ids(seed, "cmn_cost_center", frame.height),
        pl.concat_str("department", pl.lit(" "), "country_code").alias("name"),
        "code",
        pl.col("code").str.replace_all(r"\D", "").alias("account_number"),
        pl.lit("2015-01-01 00:00:00").alias("valid_from"),
    )


def make_users(
    seed: int, register: pl.DataFrame, tables: dict[str, pl.DataFrame], reader: str
) -> pl.DataFrame:
    """Return the users: the people of the register, and some accounts without a person."""
    rng = stream(seed, "servicenow", "users")
    people = register.filter(
        ~pl.Series(portion(rng, register.height, MISSING)) | (pl.int_range(pl.len()) == 0),
        ~(pl.Series(some(rng, register.height, 0.5)) & (pl.col("status") == JOINER)),
    )
    second = people.filter(pl.Series(portion(rng, people.height, DUPLICATED))).with_columns(
        pl.concat_str("username", pl.lit(".old")).alias("username"),
        pl.lit(LEAVER).alias("status"),
        pl.lit(value=True).alias("is_second"),
    )
    people = pl.concat([people, second], how="diagonal")
    frame = people.select(
        sys_ids(seed, "sys_user", people.height),
        "employee_id",
        pl.col("is_second").fill_null(value=False),
        "account",
        "department",
        "site",
        *_person(rng, people),
    )
    return pl.concat([_related(frame, tables), _services(seed, reader)], how="diagonal")


def _person(rng: np.random.Generator, people: pl.DataFrame) -> list[pl.Expr]:
    """Return the columns of names; half of the renamed people still have their old one."""
    count = people.height

    def where(share: float) -> pl.Series:
        return pl.Series(portion(rng, count, share))

    old = pl.col("former_family_name").is_not_null() & pl.Series(some(rng, count, 0.5))
    family = pl.when(old).then("former_family_name").otherwise("family_name")
    email = pl.when(old).then("former_email").otherwise("email")
    user = pl.col("username")
    active = (pl.col("status") == ACTIVE) | (
        (pl.col("status") == LEAVER) & pl.Series(some(rng, count, STILL_ACTIVE))
    )
    number = pl.Series(rng.integers(1000, 9999, count)).cast(pl.String)
    return [
        pl.when(where(OTHER_CASE)).then(user.str.to_uppercase()).otherwise(user).alias("user_name"),
        pl.col("given_name").alias("first_name"),
        family.alias("last_name"),
        pl.concat_str("given_name", pl.lit(" "), family).alias("name"),
        pl.when(where(TRAILING_BLANK)).then(email + " ").otherwise(email).alias("email"),
        pl.col("job_title").alias("title"),
        pl.col("employee_id").alias("employee_number"),
        _truth(active).alias("active"),
        _truth(pl.col("status") == LEAVER).alias("locked_out"),
        _truth(pl.col("job_title").str.starts_with("Director")).alias("vip"),
        pl.concat_str(pl.lit("+41 44 555 "), number).alias("phone"),
        pl.concat_str(pl.lit("ldap:"), "distinguished_name").alias("source"),
        pl.col("upn").alias("u_user_principal_name"),
        pl.col("country_code").alias("country"),
        pl.col("cost_centre"),
        pl.col("manager").alias("manager_id"),
    ]


def _related(frame: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the users with names and numbers replaced by references."""
    departments, places = tables["cmn_department"], tables["cmn_location"]
    centres = tables["cmn_cost_center"]
    first = frame.filter(~pl.col("is_second"))
    to_department = dict(zip(departments["name"], departments["sys_id"], strict=True))
    to_place = dict(zip(places["name"], places["sys_id"], strict=True))
    to_centre = dict(zip(centres["code"], centres["sys_id"], strict=True))
    managers = first.select(
        pl.col("employee_id").alias("manager_id"), pl.col("sys_id").alias("manager")
    )
    return frame.join(managers, on="manager_id", how="left", maintain_order="left").with_columns(
        pl.col("department").replace_strict(to_department, default="").alias("department"),
        pl.col("site").replace_strict(to_place, default="").alias("location"),
        pl.col("cost_centre").replace_strict(to_centre, default="").alias("cost_center"),
    )


def make_departments(seed: int) -> pl.DataFrame:
    """Return the departments below one for all of them; their heads need the users first."""
    names = ["Corporate", *DEPARTMENT_CODES]
    ids = sys_ids(seed, "cmn_department", len(names))
    return pl.DataFrame(
        {
            "sys_id": ids,
            "name": names,
            "id": ["D000", *DEPARTMENT_CODES.values()],
            "parent": ["", *[ids[0]] * len(DEPARTMENT_CODES)],
            "description": [f"{name}, all sites" for name in names],
        }
    )


def with_heads(departments: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Return the departments with the first active person of each as its head."""
    heads = (
        users.filter(pl.col("active") == "true", pl.col("department") != "")
        .group_by("department", maintain_order=True)
        .agg(pl.col("sys_id").first().alias("dept_head"))
    )
    return departments.join(
        heads, left_on="sys_id", right_on="department", how="left", maintain_order="left"
    )


def _services(seed: int, reader: str) -> pl.DataFrame:
    """Return the service accounts, including the reader's: no person, no department."""
    names = list(dict.fromkeys((*_SERVICES, reader)))
    return pl.DataFrame(
        {
            "sys_id": sys_ids(seed, "sys_user services", len(names)),
            "user_name": names,
            "name": ["System Administrator", *[""] * (len(names) - 1)],
            "active": ["true"] * len(names),
            "is_second": [False] * len(names),
        }
    )


def _truth(value: pl.Expr) -> pl.Expr:
    return pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
