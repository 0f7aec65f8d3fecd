"""Builds all tables of the instance from the estate and the people behind it."""

from datetime import datetime

import polars as pl

from sandbox.engine import Engine
from sandbox.hr.register import ask, make_register
from sandbox.servicenow.assets import DEVICES, make_assets, make_models
from sandbox.servicenow.directory import (
    make_cost_centres,
    make_departments,
    make_places,
    make_users,
    with_heads,
)
from sandbox.servicenow.rows import finished
from sandbox.servicenow.schema import TABLES


def build_tables(
    engine: Engine, seed: int, moment: datetime, reader: str
) -> dict[str, pl.DataFrame]:
    """Return every table as of a moment; the reader has an account too."""
    register = make_register(engine, seed, moment)
    devices = ask(engine, DEVICES, moment).rename(lambda name: name.removeprefix("device."))
    tables = {
        "cmn_location": make_places(seed),
        "cmn_cost_center": make_cost_centres(seed),
        "cmn_department": make_departments(seed),
    }
    tables["sys_user"] = make_users(seed, register, tables, reader)
    tables["cmn_department"] = with_heads(tables["cmn_department"], tables["sys_user"])
    tables |= make_models(seed, devices)
    tables |= make_assets(seed, devices, tables, moment)
    return {name: finished(tables[name], name, seed, moment) for name in TABLES}
