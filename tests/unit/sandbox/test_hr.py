"""The personnel tables: they match the estate and have the promised faults."""

import csv
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from sandbox.engine import Engine
from sandbox.hr.writing import hr_tables, write_hr
from sandbox.options import SandboxOptions
from sandbox.servicenow.building import build_tables
from tests.unit.sandbox.conftest import ask

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def options(**changed: object) -> SandboxOptions:
    given = {"queries": Path("unused"), "devices": 200, "now": NOW} | changed
    return SandboxOptions(**given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    return hr_tables(options())["people"]


def test_people_are_the_users_of_the_estate(people: pl.DataFrame, engine: Engine) -> None:
    users = ask(engine, "users | list upn, sid, ad.department").drop_nulls()
    upn = pl.col("upn").str.to_lowercase()
    both = people.with_columns(upn).join(users, left_on="upn", right_on="user.upn")
    current = both.filter(pl.col("sid").is_not_null())
    assert both["upn"].n_unique() > 0.95 * users.height
    assert (current["sid"] == current["user.sid"]).all()
    # The newest arrivals are not in the table yet.
    assert both["upn"].n_unique() < users.height


def test_the_faults_of_real_tables_are_there(people: pl.DataFrame) -> None:
    counts = people["status"].value_counts()
    assert set(counts["status"]) == {"active", "leaver", "joiner"}
    joiners = people.filter(pl.col("status") == "joiner")
    assert (joiners["hire_date"] > NOW.date()).all()
    assert joiners["sid"].is_null().all()
    upn = people["upn"].str.to_lowercase()
    assert upn.n_unique() < people.height
    assert people["employee_id"].n_unique() == people.height
    renamed = people.filter(pl.col("former_last_name").is_not_null())
    assert renamed.height
    assert (renamed["email"].str.to_lowercase() != renamed["upn"].str.to_lowercase()).any()
    assert people["department_code"].null_count()
    assert people["last_name"].str.ends_with(" ").any()
    late = people["recorded_at"].dt.date() - people["valid_from"]
    assert (late.dt.total_days() > 14).any()
    assert (late.dt.total_days() >= 0).all()


def test_references_lead_somewhere() -> None:
    tables = hr_tables(options())
    people = tables["people"]
    for column, table, key in (
        ("department_code", "departments", "department_code"),
        ("cost_centre_code", "cost_centres", "cost_centre_code"),
        ("position_id", "positions", "position_id"),
    ):
        assert set(people[column].drop_nulls()) <= set(tables[table][key])


def test_the_same_seed_gives_the_same_tables_and_another_gives_others() -> None:
    one, again, other = (hr_tables(options(seed=s))["people"] for s in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_nothing_is_recorded_in_the_future() -> None:
    night = datetime(2026, 11, 20, 0, 5, tzinfo=UTC)
    recorded = hr_tables(options(now=night))["people"]["recorded_at"]
    assert (recorded <= night.replace(tzinfo=None)).all()


def test_the_same_people_are_in_both_systems_of_record(
    people: pl.DataFrame, engine: Engine
) -> None:
    users = build_tables(engine, 1, NOW, "svc.reader")["sys_user"].filter(
        pl.col("employee_number") != ""
    )
    both = users.join(people, left_on="employee_number", right_on="employee_id")
    assert 0.9 * users.height < both.height < users.height
    assert (both["u_user_principal_name"] == both["upn"].str.to_lowercase()).all()
    family = both["last_name_right"].str.strip_chars()
    # Some renamed people still have their old name there.
    assert 0.95 < (both["last_name"] == family).sum() / both.height < 1


@pytest.mark.parametrize("devices", [1, 2, 40])
def test_small_estates_have_people_too(devices: int) -> None:
    assert hr_tables(options(devices=devices))["people"].height >= 2


def test_csv_and_dump_hold_the_same_rows(tmp_path: Path) -> None:
    tables = hr_tables(options())
    files = write_hr(options(), tmp_path / "csv")
    dump = write_hr(options(), tmp_path / "sql", "sql")
    assert [path.stem for path in files] == list(tables)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(dump[0].read_text(encoding="utf-8"))
        for path in files:
            with path.open(encoding="utf-8", newline="") as file:
                names, *rows = csv.reader(file)
            found = connection.execute(f"SELECT {', '.join(names)} FROM {path.stem}")  # noqa: S608
            as_text = [["" if v is None else str(v) for v in row] for row in found]
            in_csv = [[v.replace("T", " ")[:-1] if _is_instant(v) else v for v in r] for r in rows]
            assert as_text == in_csv
            assert len(rows) == tables[path.stem].height


def test_a_dump_keeps_quotes_line_breaks_and_letters(tmp_path: Path) -> None:
    (dump,) = write_hr(options(), tmp_path, "sql")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
        titles = {t for (t,) in connection.execute("SELECT title FROM positions")}
        names = {t for (t,) in connection.execute("SELECT TRIM(last_name) FROM people")}
    assert {'Expert "Level 3"', "Head of\nOperations"} <= titles
    assert {"O'Brien", "山田"} <= names


def test_a_strict_database_takes_the_dump_and_its_types(tmp_path: Path) -> None:
    (dump,) = write_hr(options(), tmp_path, "sql")
    with closing(duckdb.connect()) as connection:
        connection.execute(dump.read_text(encoding="utf-8"))
        newest = connection.execute("SELECT MAX(recorded_at), MAX(hire_date) FROM people")
        recorded, hired = newest.fetchone() or (None, None)
    assert isinstance(recorded, datetime)
    assert recorded < NOW.replace(tzinfo=None)
    assert hired > NOW.date()


def _is_instant(text: str) -> bool:
    return len(text) == len("2026-11-20T12:00:00Z") and text.endswith("Z") and text[10] == "T"
