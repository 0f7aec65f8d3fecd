"""Computers and the hardware assets behind them, with the faults of a real CMDB."""

from datetime import datetime

import numpy as np
import polars as pl

from sandbox.estate import catalogue
from sandbox.estate.chance import at, hexadecimal, pick, some, stream
from sandbox.hr.register import portion
from sandbox.servicenow.rows import days, instants, sys_ids

# Shares of rows with each fault. Each fault affects at least one row.
NOT_IN_CMDB = 0.05
NOT_IN_NEXTHINK = 0.06
DUPLICATED = 0.015
RETIRED_YET_IN_USE = 0.03
BLANK_SERIAL = 0.03
FILLER_SERIAL = 0.01
LOWER_CASE = 0.2
FULL_NAME = 0.03
TRAILING_BLANK = 0.02
UNASSIGNED = 0.05
WRONG_PERSON = 0.04
DANGLING = 0.005
WITHOUT_ASSET = 0.02

DOMAIN = "corp.example.com"
_DAY = 86_400

DEVICES = (
    "devices | list name, hardware.manufacturer, hardware.model, hardware.product_line,"
    " hardware.type, hardware.memory, hardware.chassis_serial_number, operating_system.name,"
    " operating_system.build, collector.local_ip, location.site, first_seen, last_seen,"
    " login.last_login_user_name"
)


def make_models(seed: int, devices: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the manufacturers and models that occur."""
    makers = devices.select(pl.col("hardware.manufacturer").alias("name")).unique(
        maintain_order=True
    )
    makers = makers.select(
        sys_ids(seed, "core_company", makers.height), "name", pl.lit("true").alias("manufacturer")
    )
    models = devices.select(
        pl.col("hardware.manufacturer").alias("maker"),
        pl.col("hardware.model").alias("model_number"),
        pl.col("hardware.product_line").alias("name"),
    ).unique(maintain_order=True)
    models = models.join(
        makers.select(pl.col("name").alias("maker"), pl.col("sys_id").alias("manufacturer")),
        on="maker",
        how="left",
        maintain_order="left",
    ).select(
        sys_ids(seed, "cmdb_model", models.height),
        pl.concat_str("maker", pl.lit(" "), "name").alias("display_name"),
        "name",
        "model_number",
        "manufacturer",
        pl.lit("In Production").alias("status"),
    )
    return {"core_company": makers, "cmdb_model": models}


def make_assets(
    seed: int, devices: pl.DataFrame, tables: dict[str, pl.DataFrame], now: datetime
) -> dict[str, pl.DataFrame]:
    """Return the computers and the assets, which refer to each other."""
    rng = stream(seed, "servicenow", "assets")
    computers = _computers(rng, seed, devices, tables)
    computers = computers.with_columns(_life(rng, computers.height, now))
    assets = _assets(rng, seed, computers)
    computers = computers.join(
        assets.select(pl.col("ci").alias("sys_id"), pl.col("sys_id").alias("asset")),
        on="sys_id",
        how="left",
        maintain_order="left",
    )
    return {"cmdb_ci_computer": computers, "alm_hardware": assets}


def _computers(
    rng: np.random.Generator, seed: int, devices: pl.DataFrame, tables: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    known = devices.filter(
        ~pl.Series(portion(rng, devices.height, NOT_IN_CMDB)) | (pl.int_range(pl.len()) == 0)
    ).with_columns(pl.lit("known").alias("origin"))
    others = _unknown_to_nexthink(rng, devices)
    again = known.filter(pl.Series(portion(rng, known.height, DUPLICATED)))
    again = again.with_columns(pl.lit("again").alias("origin"))
    rows = pl.concat([known, others, again], how="diagonal_relaxed")
    count = rows.height
    rows = rows.with_columns(sys_ids(seed, "cmdb_ci_computer", count))
    rows = _owned(rng, rows, tables)
    rows = rows.join(
        tables["cmdb_model"]
        .select(
            pl.col("model_number").alias("hardware.model"),
            pl.col("sys_id").alias("model_id"),
            "manufacturer",
        )
        .unique("hardware.model", keep="first", maintain_order=True),
        on="hardware.model",
        how="left",
        maintain_order="left",
    )
    ram = (pl.col("hardware.memory") / 1_000_000).cast(pl.Int64)
    build = pl.col("operating_system.build").str.strip_chars("[]").str.replace_all(", ", ".")
    return rows.with_columns(
        *_names(rng, rows),
        *_states(rng, rows),
        ram.alias("ram"),
        pl.col("operating_system.name").alias("os"),
        build.alias("os_version"),
        pl.col("hardware.type").str.to_titlecase().alias("form_factor"),
        _truth(pl.col("hardware.type") == "virtual").alias("virtual"),
        pl.col("collector.local_ip").str.replace("::ffff:", "", literal=True).alias("ip_address"),
        pick(rng, count, ("SCCM", "ServiceNow", "ImportSet", "Jamf"), (6, 2, 1, 1)).alias(
            "discovery_source"
        ),
        _text(pl.col("first_seen")).alias("first_discovered"),
        _text(pl.col("last_seen")).alias("last_discovered"),
        pick(rng, count, ("", 'Docking station 24"', "Loan; return by 31.12.", "Gerät geprüft"),
             (90, 4, 3, 3)).alias("comments"),
    )  # fmt: skip


def _unknown_to_nexthink(rng: np.random.Generator, devices: pl.DataFrame) -> pl.DataFrame:
    """Return machines without a collector: in stock, retired, servers."""
    count = max(1, round(devices.height * NOT_IN_NEXTHINK))
    like = devices.select(pl.all().gather(pl.Series(rng.integers(0, devices.height, count))))
    number = pl.Series(np.arange(900_001, 900_001 + count)).cast(pl.String)
    place = at([p.code for p in catalogue.PLACES], rng.integers(0, len(catalogue.PLACES), count))
    prefix = pick(rng, count, ("NB", "WS", "SRV"), (6, 2, 2))
    serial = hexadecimal(rng, count, 10).cast(pl.String).str.to_uppercase()
    hardware = [name for name in devices.columns if name.startswith("hardware.")]
    return like.select(
        pl.concat_str(prefix, pl.lit("-"), place, pl.lit("-"), number).alias("name"),
        *(name for name in hardware if "serial" not in name),
        serial.alias("hardware.chassis_serial_number"),
        "operating_system.name",
        "operating_system.build",
        "location.site",
        pl.lit("other").alias("origin"),
    )


def _names(rng: np.random.Generator, rows: pl.DataFrame) -> list[pl.Expr]:
    count = rows.height

    def where(share: float) -> pl.Series:
        return pl.Series(portion(rng, count, share))

    plain, serial = pl.col("name"), pl.col("hardware.chassis_serial_number")
    written = (
        pl.when(where(FULL_NAME))
        .then(pl.concat_str(plain.str.to_lowercase(), pl.lit(f".{DOMAIN}")))
        .when(where(TRAILING_BLANK))
        .then(plain + " ")
        .when(where(LOWER_CASE))
        .then(plain.str.to_lowercase())
        .otherwise(plain)
    )
    filler = pick(rng, count, ("To be filled by O.E.M.", "Default string", "0", "None"))
    number = pl.Series(rng.permutation(count) + 1).cast(pl.String).str.zfill(7)
    return [
        written.alias("name"),
        plain.str.to_lowercase().alias("host_name"),
        pl.concat_str(plain.str.to_lowercase(), pl.lit(f".{DOMAIN}")).alias("fqdn"),
        pl.when(where(BLANK_SERIAL))
        .then(pl.lit(""))
        .when(where(FILLER_SERIAL))
        .then(filler)
        .when(where(LOWER_CASE))
        .then(serial.str.to_lowercase())
        .otherwise(serial)
        .alias("serial_number"),
        pl.concat_str(pl.lit("P"), number).alias("asset_tag"),
    ]


def _states(rng: np.random.Generator, rows: pl.DataFrame) -> list[pl.Expr]:
    count = rows.height
    wrong = pl.Series(portion(rng, count, RETIRED_YET_IN_USE))
    idle = pick(rng, count, ("6", "7", "100", "1"), (4, 4, 1, 2))
    again = pick(rng, count, ("7", "1"))
    status = (
        pl.when(pl.col("origin") == "other")
        .then(idle)
        .when(pl.col("origin") == "again")
        .then(again)
        .when(wrong)
        .then(pl.lit("7"))
        .otherwise(pl.lit("1"))
    )
    operational = {"1": "1", "6": "2", "7": "6", "100": "2"}
    return [
        status.alias("install_status"),
        status.replace_strict(operational, default="2").alias("operational_status"),
    ]


def _owned(
    rng: np.random.Generator, rows: pl.DataFrame, tables: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Return the computers assigned to people, mostly to those who use them."""
    count = rows.height
    users = tables["sys_user"].filter(pl.col("account").is_not_null(), ~pl.col("is_second"))
    login = "login.last_login_user_name"
    owner = users.select(pl.col("account").alias(login), pl.col("sys_id").alias("owner"))
    owner = owner.unique(login, keep="first", maintain_order=True)
    rows = rows.join(owner, on=login, how="left", maintain_order="left")
    any_user = users["sys_id"].gather(rng.integers(0, users.height, count))
    nobody = pl.Series(portion(rng, count, UNASSIGNED)) | (rows["origin"] == "other")
    gone = hexadecimal(rng, count, 32).cast(pl.String)
    assigned = (
        pl.when(nobody)
        .then(pl.lit(""))
        .when(pl.Series(portion(rng, count, DANGLING)))
        .then(gone)
        .when(pl.Series(portion(rng, count, WRONG_PERSON)))
        .then(any_user)
        .otherwise("owner")
    )
    places = tables["cmn_location"]
    to_place = dict(zip(places["name"], places["sys_id"], strict=True))
    rows = rows.with_columns(
        assigned.fill_null("").alias("assigned_to"),
        pl.col("location.site").replace_strict(to_place, default=None).alias("site_id"),
    )
    belonging = users.select(
        pl.col("sys_id").alias("assigned_to"), "department", "cost_center", "location"
    )
    rows = rows.join(belonging, on="assigned_to", how="left", maintain_order="left")
    return rows.with_columns(pl.coalesce("site_id", "location").alias("location"))


def _life(rng: np.random.Generator, count: int, now: datetime) -> list[pl.Series]:
    """Return when machines were bought, for how much, and how long they are covered."""
    present = int(now.timestamp())
    bought = present - rng.integers(20, 2000, count) * _DAY
    years = rng.choice([3, 3, 3, 4, 5], count)
    unknown = some(rng, count, 0.04)
    price = (rng.integers(700, 3200, count)).astype(str).tolist()
    none = pl.Series(np.where(unknown, "", "x"))
    frame = pl.DataFrame(
        {
            "purchase_date": days(bought),
            "warranty_expiration": days(bought + years * 365 * _DAY),
            "cost": pl.Series(price) + ".00",
            "bought_at": instants(bought + 5 * _DAY),
        }
    )
    blank = pl.when(none == "").then(pl.lit(""))
    return frame.with_columns(
        blank.otherwise(name).alias(name) for name in ("purchase_date", "warranty_expiration")
    ).get_columns()


def _assets(rng: np.random.Generator, seed: int, computers: pl.DataFrame) -> pl.DataFrame:
    """Return one asset for each computer that is not a duplicate; a few have none."""
    owned = computers.filter(
        pl.col("origin") != "again",
        ~pl.Series(portion(rng, computers.height, WITHOUT_ASSET)) | (pl.int_range(pl.len()) == 0),
    )
    count = owned.height
    status = pl.col("install_status").replace_strict(
        {"1": "1", "6": "6", "7": "7", "100": "8"}, default="1"
    )
    order = pl.Series(rng.integers(100_000, 999_999, count)).cast(pl.String)
    return owned.select(
        sys_ids(seed, "alm_hardware", count),
        pl.col("sys_id").alias("ci"),
        pl.concat_str("asset_tag", pl.lit(" - "), "hardware.product_line").alias("display_name"),
        "asset_tag",
        "serial_number",
        "assigned_to",
        "department",
        "location",
        "cost_center",
        pl.col("model_id").alias("model"),
        status.alias("install_status"),
        pl.when(status == "6").then(pl.lit("available")).otherwise(pl.lit("")).alias("substatus"),
        pl.col("bought_at").alias("assigned"),
        "purchase_date",
        "warranty_expiration",
        pl.when(status == "7")
        .then(pl.col("warranty_expiration"))
        .otherwise(pl.lit(""))
        .alias("retired"),
        "cost",
        pl.concat_str(pl.lit("PO"), order).alias("po_number"),
        pl.concat_str(pl.lit("INV"), order.reverse()).alias("invoice_number"),
    )


def _text(instant: pl.Expr) -> pl.Expr:
    return instant.dt.to_string("%Y-%m-%d %H:%M:%S")


def _truth(value: pl.Expr) -> pl.Expr:
    return pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
