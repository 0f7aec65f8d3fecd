"""Encoded queries are parsed, and answered like a simple model of the same rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.engine import Engine
from sandbox.servicenow.building import build_tables
from sandbox.servicenow.conditions import QueryContext
from sandbox.servicenow.dates import computed
from sandbox.servicenow.encoded_query import Condition, SortField, parse
from sandbox.servicenow.store import TableStore
from tests.sampling import sampled
from tests.unit.sandbox.conftest import NOW

READER = QueryContext(NOW, ZoneInfo("Europe/Zurich"))
COMPUTERS = "cmdb_ci_computer"
EVERYTHING = range(10_000)

Row = dict[str, str]
Part = tuple[str, str, str]


@pytest.fixture(scope="module")
def store(engine: Engine) -> TableStore:
    return TableStore(build_tables(engine, 1, NOW, "svc.reader"), 1)


def ids(store: TableStore, text: str, table: str = COMPUTERS, *, strict: bool = False) -> list[str]:
    page = store.find(table, parse(text), READER, EVERYTHING, strict=strict)
    return page.view.values("sys_id")


def everyone(store: TableStore) -> set[str]:
    return set(store.rows(COMPUTERS)["sys_id"])


def test_an_or_belongs_to_the_condition_before_it() -> None:
    query = parse("a=1^b=2^ORb=3^NQc!=4^ORDERBYd^ORDERBYDESCe.f")
    one, two, three = Condition("a", "=", "1"), Condition("b", "=", "2"), Condition("b", "=", "3")
    assert query.groups == (((one,), (two, three)), ((Condition("c", "!=", "4"),),))
    assert query.orders == (SortField("d", descending=False), SortField("e.f", descending=True))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("nameNOT INa,b", Condition("name", "NOT IN", "a,b")),
        ("nameISNOTEMPTY", Condition("name", "ISNOTEMPTY", "")),
        ("name=a=b", Condition("name", "=", "a=b")),
        ("name!=x", Condition("name", "!=", "x")),
        (
            "assigned_to.user_nameSTARTSWITHzoe",
            Condition("assigned_to.user_name", "STARTSWITH", "zoe"),
        ),
        ("nameCONTAINSx", Condition("name", "LIKE", "x")),
        ("name= x", Condition("name", "=", " x")),
        ("name=a^^b", Condition("name", "=", "a^b")),
        (
            "sys_updated_on>2026-11-01 00:00:00",
            Condition("sys_updated_on", ">", "2026-11-01 00:00:00"),
        ),
    ],
)
def test_a_condition_is_read_into_its_parts(text: str, condition: Condition) -> None:
    assert parse(text).groups == (((condition,),),)


def test_an_empty_query_is_every_row(store: TableStore) -> None:
    assert set(ids(store, "")) == everyone(store)
    assert set(ids(store, "^EQ")) == everyone(store)


@pytest.mark.parametrize(
    "text",
    [
        "sys_updatd_on>2026-11-19 00:00:00",
        "sys_updated_on>2026-11-19T00:00:00Z",
        "sys_updated_on>yesterday",
        "nameRESEMBLESx",
        "assigned_to.nothing=1",
        "name.user_name=1",
        "ram>much",
        "sys_updated_on>javascript:gs.eval('1')",
        "?",
    ],
)
def test_an_invalid_part_is_ignored_or_finds_nothing_where_that_is_set(
    store: TableStore, text: str
) -> None:
    assert set(ids(store, text)) == everyone(store)
    assert set(ids(store, f"install_status=7^{text}")) == set(ids(store, "install_status=7"))
    assert set(ids(store, f"install_status=7^OR{text}")) == set(ids(store, "install_status=7"))
    assert ids(store, text, strict=True) == []


def test_computed_dates_are_in_the_zone_of_the_reader(store: TableStore) -> None:
    call = "javascript:gs.dateGenerate('2026-11-19','01:00:00')"
    assert computed(call, NOW, READER.zone) == "2026-11-19 00:00:00"
    expected = ids(store, "sys_updated_on>=2026-11-19 00:00:00")
    assert ids(store, f"sys_updated_on>={call}") == expected
    assert 0 < len(expected) < len(everyone(store))
    assert computed("javascript:gs.daysAgo(1)", NOW, READER.zone) == "2026-11-19 12:00:00"
    assert computed("javascript:gs.daysAgoStart(0)", NOW, READER.zone) == "2026-11-19 23:00:00"


def test_orders_are_by_value_by_number_and_by_what_a_reference_shows(store: TableStore) -> None:
    rows = {row["sys_id"]: row for row in store.rows(COMPUTERS).to_dicts()}
    names = {row["sys_id"]: row["name"] for row in store.rows("sys_user").to_dicts()}
    by_ram = [int(rows[key]["ram"]) for key in ids(store, "ORDERBYDESCram")]
    assert by_ram == sorted(by_ram, reverse=True)
    shown = [names.get(rows[key]["assigned_to"], "") for key in ids(store, "ORDERBYassigned_to")]
    assert shown == sorted(shown, key=str.lower)
    keys = ids(store, "ORDERBYsys_id")
    assert keys == sorted(keys)
    both = [
        (rows[k]["sys_updated_on"], k) for k in ids(store, "ORDERBYsys_updated_on^ORDERBYsys_id")
    ]
    assert both == sorted(both)
    assert len({instant for instant, _ in both}) < len(both)
    assert ids(store, "ORDERBYnothing") == ids(store, "")
    assert ids(store, "") != sorted(ids(store, ""))


PATHS = (
    "sys_id", "name", "serial_number", "install_status", "ram", "cost", "sys_updated_on",
    "purchase_date", "assigned_to", "assigned_to.user_name", "assigned_to.department.name",
    "virtual", "comments", "bogus", "assigned_to.bogus",
)  # fmt: skip
NUMBERS = {"ram", "cost"}
MODEL: dict[str, Callable[[str, str], bool]] = {
    "=": lambda cell, value: cell == value,
    "!=": lambda cell, value: cell != value,
    "LIKE": lambda cell, value: value in cell,
    "NOT LIKE": lambda cell, value: value not in cell,
    "STARTSWITH": lambda cell, value: cell.startswith(value),
    "ENDSWITH": lambda cell, value: cell.endswith(value),
    "IN": lambda cell, value: cell in value.split(","),
    "NOT IN": lambda cell, value: cell not in value.split(","),
    "ISEMPTY": lambda cell, _: not cell,
    "ISNOTEMPTY": lambda cell, _: bool(cell),
}
SIZES: dict[str, Callable[[float | str, float | str], bool]] = {
    ">": lambda cell, value: cell > value,  # type: ignore[operator]
    ">=": lambda cell, value: cell >= value,  # type: ignore[operator]
    "<": lambda cell, value: cell < value,  # type: ignore[operator]
    "<=": lambda cell, value: cell <= value,  # type: ignore[operator]
}


def holds(row: Row, part: Part) -> bool:
    path, operator, value = part
    cell = row[path].lower()
    if operator in MODEL:
        return MODEL[operator](cell, value.lower())
    if not cell:
        return False
    if path in NUMBERS:
        return SIZES[operator](float(cell), float(value))
    return SIZES[operator](cell, value.lower())


def walked_rows(store: TableStore) -> list[Row]:
    users = {row["sys_id"]: row for row in store.rows("sys_user").to_dicts()}
    departments = {row["sys_id"]: row["name"] for row in store.rows("cmn_department").to_dicts()}
    rows = store.rows(COMPUTERS).to_dicts()
    for row in rows:
        user = users.get(row["assigned_to"], {})
        row["assigned_to.user_name"] = user.get("user_name", "")
        row["assigned_to.department.name"] = departments.get(user.get("department", ""), "")
    return rows


def parts(rows: list[Row]) -> st.SearchStrategy[Part]:
    """Return conditions whose values occur, or nearly."""

    def values(path: str) -> st.SearchStrategy[str]:
        if "bogus" in path:
            return st.just("1")
        known = st.sampled_from(sorted({row[path] for row in rows if row[path]}))
        return known if path in NUMBERS | {"sys_updated_on", "purchase_date"} else known | near

    near = st.sampled_from(["", "nb", "NB-CH", "a", "7", "1,7", "true", "é", " "])
    operators = st.sampled_from([*MODEL, *SIZES])
    return st.sampled_from(PATHS).flatmap(
        lambda path: st.tuples(st.just(path), operators, values(path))
    )


@settings(max_examples=sampled(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_queries_answer_as_a_plain_model_does(store: TableStore, data: st.DataObject) -> None:
    rows = walked_rows(store)
    chains = st.lists(st.lists(parts(rows), min_size=1, max_size=3), min_size=1, max_size=3)
    groups = data.draw(st.lists(chains, min_size=1, max_size=3))
    text = "^NQ".join(
        "^".join("^OR".join(f"{p}{o}{v}" for p, o, v in chain) for chain in group)
        for group in groups
    )
    valid = [
        [kept for chain in group if (kept := [c for c in chain if "bogus" not in c[0]])]
        for group in groups
    ]
    valid = [group for group in valid if group]
    expected = {
        row["sys_id"]
        for row in rows
        if not valid
        or any(all(any(holds(row, c) for c in chain) for chain in group) for group in valid)
    }
    assert set(ids(store, text)) == expected, text


def test_a_moment_is_read_in_utc() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    call = 'javascript:gs.dateGenerate("2026-07-01", "02:00:00")'
    assert computed(call, summer, READER.zone) == "2026-07-01 00:00:00"
