"""The rows of the ServiceNow instance: they match the estate, have faults, and change."""

from pathlib import Path

import polars as pl
import pytest

from sandbox.engine import Engine
from sandbox.options import SandboxOptions
from sandbox.servicenow.building import build_tables
from sandbox.servicenow.options import ServiceNowOptions
from sandbox.servicenow.schema import TABLES
from sandbox.servicenow.store import TableStore
from sandbox.tenant import Tenant
from tests.unit.sandbox.conftest import NOW, ask, make_engine

COMPUTERS = "cmdb_ci_computer"


@pytest.fixture(scope="module")
def tables(engine: Engine) -> dict[str, pl.DataFrame]:
    return build_tables(engine, 1, NOW, "svc.reader")


def plain(column: str) -> pl.Expr:
    """Return names as a careful reader compares them."""
    return pl.col(column).str.strip_chars().str.to_uppercase().str.replace(r"\..*$", "")


def test_every_value_is_a_text_and_every_id_is_unique(tables: dict[str, pl.DataFrame]) -> None:
    for name, frame in tables.items():
        assert set(frame.columns) == {*TABLES[name].fields, "_lying"}
        texts = frame.drop("_lying")
        assert set(texts.dtypes) == {pl.String}
        assert sum(texts.null_count().row(0)) == 0
        assert frame["sys_id"].n_unique() == frame.height
        assert frame["sys_id"].str.contains("^[0-9a-f]{32}$").all()
        assert (frame["sys_created_on"] <= frame["sys_updated_on"]).all()
        assert (frame["sys_updated_on"] <= f"{NOW:%Y-%m-%d %H:%M:%S}").all()


def test_computers_are_the_devices_but_for_known_faults(
    tables: dict[str, pl.DataFrame], engine: Engine
) -> None:
    devices = ask(engine, "devices | list name, hardware.chassis_serial_number")
    computers = tables[COMPUTERS].with_columns(plain("name").alias("plain"))
    names, known = set(devices["device.name"]), set(computers["plain"])
    assert 0.9 * len(names) < len(names & known) < len(names)
    assert known - names
    assert computers["plain"].n_unique() < computers.height
    assert (computers["name"] != computers["plain"]).any()
    joined = computers.join(devices, left_on="plain", right_on="device.name")
    serials = joined.filter(pl.col("serial_number").str.len_chars() == 10)
    same = pl.col("serial_number").str.to_uppercase() == pl.col(
        "device.hardware.chassis_serial_number"
    )
    assert serials.select(same.mean()).item() > 0.9
    assert (computers["serial_number"] == "").any()
    assert (joined["install_status"] == "7").any()


def test_computers_are_assigned_to_who_uses_them(
    tables: dict[str, pl.DataFrame], engine: Engine
) -> None:
    logins = ask(engine, "devices | list name, login.last_login_user_name")
    users = ask(engine, "users | list name, upn, sid").rename(
        {"user.name": "device.login.last_login_user_name"}
    )
    people = tables["sys_user"].select(
        pl.col("sys_id").alias("assigned_to"), "u_user_principal_name"
    )
    joined = (
        tables[COMPUTERS]
        .with_columns(plain("name").alias("device.name"))
        .join(logins, on="device.name")
        .join(users, on="device.login.last_login_user_name")
        .join(people, on="assigned_to")
    )
    right = joined.select((pl.col("u_user_principal_name") == pl.col("user.upn")).mean()).item()
    assert 0.85 < right < 1


def test_references_lead_to_rows_except_a_few(tables: dict[str, pl.DataFrame]) -> None:
    for name, table in TABLES.items():
        for field in table.fields.values():
            if field.target:
                used = tables[name].filter(pl.col(field.name) != "")[field.name]
                found = used.is_in(tables[field.target]["sys_id"].implode())
                dangling = field.name == "assigned_to"
                assert found.all() or (dangling and found.sum() > 0.95 * found.len())
    computers, assets = tables[COMPUTERS], tables["alm_hardware"]
    there = computers.join(assets, left_on="asset", right_on="sys_id")
    assert (there["ci"] == there["sys_id"]).all()
    used = computers.filter(pl.col("assigned_to") != "")["assigned_to"]
    assert not used.is_in(tables["sys_user"]["sys_id"].implode()).all()


def test_users_have_the_faults_of_real_ones(tables: dict[str, pl.DataFrame]) -> None:
    users = tables["sys_user"]
    upn = users.filter(pl.col("u_user_principal_name") != "")["u_user_principal_name"]
    assert upn.n_unique() < upn.len()
    assert users["email"].str.ends_with(" ").any()
    assert (users["user_name"] != users["user_name"].str.to_lowercase()).any()
    assert {"true", "false"} == set(users["active"])
    assert users["last_name"].str.contains(r"[^\x00-\x7f]").any()


@pytest.mark.parametrize("devices", [1, 2, 5])
def test_small_estates_have_rows_too(devices: int) -> None:
    made = build_tables(make_engine(devices=devices), 1, NOW, "svc.reader")
    assert all(made[name].height for name in (COMPUTERS, "alm_hardware", "sys_user"))


def test_the_same_seed_gives_the_same_rows_and_changes(tables: dict[str, pl.DataFrame]) -> None:
    again = build_tables(make_engine(), 1, NOW, "svc.reader")
    assert all(tables[name].equals(again[name]) for name in tables)
    one, two = TableStore(tables, 1), TableStore(again, 1)
    for store in (one, two):
        store.change(COMPUTERS, NOW, updates=3, inserts=2, deletes=1)
        store.change("sys_user", NOW, updates=3, inserts=2, deletes=1)
    assert one.rows(COMPUTERS).equals(two.rows(COMPUTERS))
    assert one.rows("sys_user").equals(two.rows("sys_user"))


def test_changes_are_what_they_say(tables: dict[str, pl.DataFrame]) -> None:
    store = TableStore(tables, 1)
    for table in TABLES:
        before = {row["sys_id"]: row for row in store.rows(table).to_dicts()}
        changes = store.change(table, NOW, updates=1, inserts=2, deletes=1)
        after = {row["sys_id"]: row for row in store.rows(table).to_dicts()}
        assert set(after) - set(before) == set(changes.inserted)
        assert set(before) - set(after) == set(changes.deleted)
        different = {key for key in before.keys() & after.keys() if before[key] != after[key]}
        assert different == set(changes.updated)
        for key in (*changes.updated, *changes.inserted):
            assert after[key]["sys_updated_on"] == "2026-11-20 12:00:00"
        assert list(after) == sorted(after)


def test_more_deletes_than_rows_leave_an_empty_table(tables: dict[str, pl.DataFrame]) -> None:
    store = TableStore(tables, 1)
    store.change("core_company", NOW, updates=5, inserts=0, deletes=1000)
    assert store.rows("core_company").height == 0
    assert not store.change("core_company", NOW, updates=1, inserts=1, deletes=1).inserted


def test_nothing_is_built_until_somebody_asks() -> None:
    tenant = Tenant(SandboxOptions(queries=Path("unused"), devices=5, now=NOW))
    assert tenant.servicenow._store is None
    assert tenant.servicenow.frame(COMPUTERS).height
    tenant.close()


def test_everything_wrong_with_the_options_is_said_at_once() -> None:
    wrong = ServiceNowOptions(
        user="a:b", hidden_share=2, rate_limit=0, token_ttl=0, time_zone="Mars/X"
    )
    with pytest.raises(ValueError, match=r"user.*hidden_share.*rate_limit.*token_ttl.*IANA"):
        SandboxOptions(queries=Path("unused"), servicenow=wrong)


def test_passwords_belong_to_the_seed_and_are_not_shown() -> None:
    one, again, two = (ServiceNowOptions().resolved(seed) for seed in (1, 1, 2))
    assert one == again
    assert one.password != two.password
    assert one.password not in repr(one)
    assert one.client_secret not in repr(one)
