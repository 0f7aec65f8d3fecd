"""Names and types of the columns that a query's result has."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.catalogue import ColumnType, declared_types
from connectors.nexthink import QueryResult
from connectors.nexthink.result_columns import listed_names
from tests.landing import CATALOG


def result(query: str = "x", **rows: Any) -> QueryResult:
    data = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    return QueryResult(
        query_id="#x",
        executed_query=query,
        rows=len(data),
        executed_at=datetime(2026, 1, 1),  # noqa: DTZ001 - as a tenant sends it
        headers=list(data[0]) if data else [],
        data=data,
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, 1], "int"),
        ([1, 1.5], "float"),
        ([True, False], "bool"),
        ([True, 1], "string"),
        (["2026-01-02", None], "date"),
        (["2026-01-02 03:04:05", "2026-01-02T03:04:05.1Z"], "datetime"),
        (["2026-01-02", "2026-01-02T03:04:05"], "string"),
        (["1", "2"], "string"),
        ([[1], [2]], "list"),
        ([[1], "a"], "json"),
        ([{"a": 1}], "json"),
        ([None], None),
    ],
)
def test_a_type_is_inferred_from_all_values(values: list[Any], kind: str | None) -> None:
    (column,) = result(a=values).columns
    assert (column.name, column.type) == ("a", kind)
    assert column.type_from == ("inferred" if kind else "unknown")
    assert kind is None or ColumnType(kind)


def test_a_declared_type_counts_more_than_the_values() -> None:
    made = result("x", **{"device.memory": [1], "alias": ["a"]})
    found = made.described({"Device.Memory": "bytes"})
    assert found.names_from == "answer"
    assert [(each.name, each.type, each.type_from) for each in found.columns] == [
        ("device.memory", "bytes", "declared"),
        ("alias", "string", "inferred"),
    ]


def test_a_result_without_rows_keeps_its_columns() -> None:
    declared = declared_types(CATALOG, "#crashes")
    found = result("crashes | list a").described(declared)
    assert (found.names_from, found.columns[0].name) == ("catalogue", "execution.crash.time")
    assert (found.columns[0].type, found.columns[0].type_from) == ("datetime", "declared")
    assert declared_types(CATALOG, "#device_performance_3d")
    assert not declared_types(CATALOG, "#nothing")
    assert not declared_types(Path("/nowhere"), "#crashes")
    listed = result("devices | list device.name").described()
    assert (listed.names_from, listed.columns[0].type_from) == ("query", "unknown")
    assert result("devices").described().names_from == "unknown"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (
            "devices\n| list device.name,\n  device.#tag\n| sort device.name asc",
            "device.name device.#tag",
        ),
        ('devices /* | list no */ | where a == "| list b, c" | list x // y, z', "x"),
        (
            "users | summarize n = count(), m = sum(a, (b)) by user.name, user.sid",
            "user.name user.sid n m",
        ),
        ("users | summarize n = count()", "n"),
        ("users | summarize n = count() by 1d", ""),
        ("users", ""),
    ],
)
def test_the_text_of_a_query_names_its_columns(query: str, names: str) -> None:
    assert listed_names(query) == names.split()
