"""Rows of a plan become objects: typed columns, and each field's own clearing value."""

import json

import polars as pl
import pytest

from connectors.errors import DataRefusedError
from connectors.nexthink.encoding import encode
from tasks.sync.objects import as_objects

NAME = "device/device/name"
OWNER = "device/device/#owner"
BROKER = "device/device/virtualization/desktop_broker"
TYPE = "device/device/virtualization/type"
UPDATED = "device/device/virtualization/last_update"


def planned(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["identity", "field", "after"], orient="row")


def sent(*rows: tuple[str, str, str]) -> dict[str, dict[str, object]]:
    frame, layout = as_objects(planned(*rows), NAME, "cmdb")
    body = json.loads(encode(frame, layout))
    assert body["domain"] == "cmdb"
    assert {each["identification"][0]["name"] for each in body["enrichments"]} == {NAME}
    return {
        each["identification"][0]["value"]: {
            field["name"]: field["value"] for field in each["fields"]
        }
        for each in body["enrichments"]
    }


def test_each_object_has_the_fields_of_its_rows() -> None:
    moment = "2026-10-03T15:00:00.000Z"
    given = [("b", OWNER, "x"), ("a", BROKER, "4"), ("b", UPDATED, moment), ("a", OWNER, "y")]
    assert sent(*given) == {
        "b": {OWNER: "x", UPDATED: moment},
        "a": {BROKER: 4, OWNER: "y"},
    }


def test_empty_is_the_value_that_empties_the_field() -> None:
    assert sent(("a", OWNER, ""), ("a", BROKER, "")) == {"a": {OWNER: "", BROKER: 0}}


def test_what_cannot_be_emptied_is_refused() -> None:
    for name in (TYPE, UPDATED):
        with pytest.raises(DataRefusedError, match="cannot be cleared"):
            as_objects(planned(("a", name, "")), NAME, "cmdb")


def test_a_text_for_a_number_is_refused_without_showing_it() -> None:
    with pytest.raises(DataRefusedError) as raised:
        as_objects(planned(("a", BROKER, "MARK")), NAME, "cmdb")
    assert "MARK" not in str(raised.value)


def test_two_values_for_one_field_are_refused() -> None:
    with pytest.raises(DataRefusedError, match="two values"):
        as_objects(planned(("a", OWNER, "x"), ("a", OWNER, "y")), NAME, "cmdb")
