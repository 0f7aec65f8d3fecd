"""The objects of the tenant: users, binaries, applications. Devices have a module of their own."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate import catalogue
from sandbox.estate.chance import at, choose, hexadecimal, pick, some, stream, uuids
from sandbox.model.kinds import DATETIME

DAY_US = 86_400_000_000
# Row 0 of the users is the account that services run under.
SYSTEM_USER = 0


def micros(instant: datetime) -> int:
    """Return an instant in microseconds since 1970, exactly."""
    return (instant - datetime.fromtimestamp(0, instant.tzinfo)) // timedelta(microseconds=1)


def instants(values: NDArray[np.int64], nulls: NDArray[np.bool_] | None = None) -> pl.Series:
    """Return microseconds as date-times, null where `nulls` is true."""
    series = pl.Series(values).cast(DATETIME)
    return series if nulls is None else blank(series, nulls)


def blank(series: pl.Series, where: NDArray[np.bool_], text: str | None = None) -> pl.Series:
    """Return a series with a text, null by default, in the rows of a mask."""
    frame = pl.DataFrame({"value": series, "where": pl.Series(where)})
    filler = pl.lit(text, dtype=series.dtype)
    chosen = pl.when("where").then(filler).otherwise("value")
    return frame.select(chosen.alias("value"))["value"]


def make_users(seed: int, count: int, anchor: datetime) -> pl.DataFrame:
    """Return the users; the first is the system account."""
    rng = stream(seed, "users")
    first = rng.integers(0, len(catalogue.FIRST_NAMES), count)
    last = rng.integers(0, len(catalogue.LAST_NAMES), count)
    place = choose(rng, count, [p.weight for p in catalogue.PLACES])
    local = some(rng, count, 0.06)
    local[SYSTEM_USER] = True
    base = pl.DataFrame(
        {
            "account": _joined(catalogue.FIRST_ACCOUNTS, first, catalogue.LAST_ACCOUNTS, last),
            "n": pl.Series(np.arange(count)).cast(pl.String),
            "first": at(catalogue.FIRST_NAMES, first),
            "last": at(catalogue.LAST_NAMES, last),
            "unit": pick(rng, count, catalogue.DEPARTMENTS),
        }
    )
    text = _names(base)
    frame = pl.DataFrame(
        {
            "user.uid": uuids(stream(seed, "users", "uid"), count),
            "user.sid": _sids(count),
            "user.name": text["name"],
            "user.username": text["username"],
            "user.upn": blank(text["upn"], local),
            "user.upn_privacy_level": pl.repeat("clear_text", count, eager=True),
            "user.type": at(("DOMAIN_USER", "LOCAL_USER"), local.astype(np.int64)),
        }
    )
    frame = frame.with_columns(_directory(rng, base, text, place, local))
    return _system_account(frame).with_columns(_seen(rng, count, anchor, "user"))


def _names(base: pl.DataFrame) -> pl.DataFrame:
    """Return the texts that are made of a person's names."""
    account = pl.concat_str("account", "n")
    return base.select(
        username=account,
        name=pl.concat_str(account, pl.lit("@corp")),
        upn=pl.concat_str(account, pl.lit("@example.com")),
        full=pl.concat_str("last", pl.lit(", "), "first"),
        quoted=pl.concat_str("first", pl.lit(' "Al" '), "last"),
        dn=pl.concat_str(pl.lit("CN="), account, pl.lit(",OU="), "unit", pl.lit(",DC=example")),
    )


def _joined(
    left: tuple[str, ...], i: NDArray[np.int64], right: tuple[str, ...], j: NDArray[np.int64]
) -> pl.Series:
    frame = pl.DataFrame({"a": at(left, i), "b": at(right, j)})
    return frame.select(pl.concat_str("a", pl.lit("."), "b")).to_series()


def _sids(count: int) -> pl.Series:
    prefix = pl.lit("S-1-5-21-3623811015-3361044348-30300820-")
    numbers = pl.DataFrame({"n": np.arange(1100, 1100 + count)})
    return numbers.select(pl.concat_str(prefix, pl.col("n").cast(pl.String))).to_series()


def _directory(
    rng: np.random.Generator,
    base: pl.DataFrame,
    text: pl.DataFrame,
    place: NDArray[np.int64],
    local: NDArray[np.bool_],
) -> list[pl.Series]:
    """Return the fields that come from the directory, which are null for local accounts."""
    count = base.height
    nicknamed = some(rng, count, 0.02)
    named = pl.when(pl.Series("", nicknamed)).then("quoted").otherwise("full")
    values = {
        "full_name": text.select(named).to_series(),
        "username": text["username"],
        "email_address": text["upn"],
        "job_title": pick(rng, count, catalogue.JOB_TITLES),
        "department": base["unit"],
        # An empty text is not the same as no value, and results keep them apart.
        "office": blank(at([p.site for p in catalogue.PLACES], place), some(rng, count, 0.04), ""),
        "city": blank(at([p.city for p in catalogue.PLACES], place), some(rng, count, 0.03)),
        "country_code": at([p.code for p in catalogue.PLACES], place),
        "organizational_unit": base["unit"],
        "distinguished_name": text["dn"],
    }
    return [blank(series, local).alias(f"user.ad.{name}") for name, series in values.items()]


def _seen(rng: np.random.Generator, count: int, anchor: datetime, entity: str) -> list[pl.Series]:
    now = micros(anchor)
    first = now - rng.integers(30 * DAY_US, 700 * DAY_US, count)
    stale = np.where(some(rng, count, 0.88), 0, rng.integers(1, 29, count))
    seen = [
        instants(first).alias(f"{entity}.first_seen"),
        pl.Series(f"{entity}.stale_days", stale),
    ]
    if entity == "user":
        updated = now - rng.integers(0, 3 * DAY_US, count)
        seen.append(instants(updated).alias("user.ad.last_update"))
    return seen


def _system_account(users: pl.DataFrame) -> pl.DataFrame:
    is_system = pl.int_range(pl.len()) == SYSTEM_USER
    fixed = {
        "user.sid": "S-1-5-18",
        "user.name": "NT AUTHORITY\\SYSTEM",
        "user.username": "SYSTEM",
        "user.type": "LOCAL_ADMIN",
    }
    return users.with_columns(
        pl.when(is_system).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in fixed.items()
    )


def make_binaries(seed: int, anchor: datetime) -> tuple[pl.DataFrame, list[int]]:
    """Return the binaries, one for each version of a program, and the program of each."""
    pairs = [(i, v) for i, p in enumerate(catalogue.PROGRAMS) for v in p.versions]
    programs = [catalogue.PROGRAMS[i] for i, _ in pairs]
    count = len(pairs)
    rng = stream(seed, "binaries")
    mac = [p.platform == "macOS" for p in programs]
    frame = pl.DataFrame(
        {
            "binary.uid": uuids(rng, count),
            "binary.name": [p.name for p in programs],
            "binary.version": [catalogue.version_text(v) for _, v in pairs],
            "binary.platform": [p.platform for p in programs],
            "binary.architecture": ["arm64" if m else "x64" for m in mac],
            "binary.size": rng.integers(40_000, 190_000_000, count),
            "binary.md5_hash": hexadecimal(rng, count, 32),
            "binary.sha-256_hash_hex": hexadecimal(rng, count, 64),
            "binary.company": [p.company for p in programs],
            "binary.description": [None if p.system else p.product for p in programs],
            "binary.product_name": [p.product for p in programs],
            "binary.product_category": [p.category for p in programs],
            "binary.product_subcategory": ["" if p.system else p.category for p in programs],
            "binary.has_user_interface": [p.has_interface for p in programs],
        }
    )
    return frame.with_columns(_seen(rng, count, anchor, "binary")), [i for i, _ in pairs]


def make_applications(seed: int) -> pl.DataFrame:
    """Return the applications that some programs belong to, followed by web applications."""
    desktop, web = catalogue.APPLICATIONS, [name for name, *_ in catalogue.WEB_APPLICATIONS]
    names = [*desktop, *web]
    return pl.DataFrame(
        {
            "application.uid": uuids(stream(seed, "applications"), len(names)),
            "application.name": names,
            "application.description": [f"{name}, as installed" for name in names],
            "application.type": ["desktop"] * len(desktop) + ["web"] * len(web),
        }
    )


def make_packages(seed: int, anchor: datetime) -> tuple[pl.DataFrame, list[int]]:
    """Return the packages, one for each version of an installed program, and the programs."""
    pairs = [
        (i, v)
        for i, p in enumerate(catalogue.PROGRAMS)
        for v in p.versions
        if p.category != "System"
    ]
    programs = [catalogue.PROGRAMS[i] for i, _ in pairs]
    count = len(pairs)
    rng = stream(seed, "packages")
    frame = pl.DataFrame(
        {
            "package.uid": uuids(rng, count),
            "package.name": [p.product for p in programs],
            "package.version": [catalogue.version_text(v) for _, v in pairs],
            "package.publisher": [p.company for p in programs],
            "package.type": pick(rng, count, ("program", "update"), (9, 1)),
            "package.platform": [p.platform for p in programs],
            "package.parent_name": pl.Series([None] * count, dtype=pl.String),
        }
    )
    return frame.with_columns(_seen(rng, count, anchor, "package")), [i for i, _ in pairs]


def make_monitors(seed: int) -> pl.DataFrame:
    """Return the monitors that raise alerts."""
    monitors = catalogue.MONITORS
    ids = [f"#monitor_{number}" for number in range(1, len(monitors) + 1)]
    return pl.DataFrame(
        {
            "alert.monitor.uid": uuids(stream(seed, "monitors"), len(monitors)),
            "alert.monitor.name": [name for name, *_ in monitors],
            "alert.monitor.nql_id": ids,
            "alert.monitor.priority": [priority for _, priority, *_ in monitors],
            "alert.monitor.tags": pl.Series(
                [list(m[2]) for m in monitors], dtype=pl.List(pl.String)
            ),
            "alert.monitor.type": [m[3] for m in monitors],
        }
    )
