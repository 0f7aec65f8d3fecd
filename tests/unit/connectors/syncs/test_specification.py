"""What the YAML of a sync may contain; one error lists all problems."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.syncs import FieldMapping
from tests.shaping import BROKER, CENTRE, SYNC, TYPE, UPDATED, sync_of

NAMED = {"name": "device/device/name", "column": "name"}
INVENTORY = {"dataset": "devices", "match": {"serial": "chassis"}, "identity": "uid"}
DECLARED = {"cmdb": {"kind": "file", "path": "/x.csv", "fields": ["name", "cost_center"]}}


def refusal(**changes: Any) -> str:
    """Make a sync that is refused; return why."""
    try:
        sync_of(**changes)
    except ValidationError as error:
        # As text: a kept pydantic error keeps DuckDB from being unloaded, which prints a warning.
        return str(error)
    raise AssertionError("it was taken")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sync": "Machines"}, "pattern"),
        ({"domain": ""}, "at least 1"),
        ({"mode": "merge"}, "'upsert' or 'mirror'"),
        ({"colour": "red"}, "colour"),
        ({"fields": {}}, "at least 1"),
        ({"fields": {"device/device/cost_center": {}}}, "not a field that can be written"),
        ({"fields": {"user/user/#team": {}}}, "a field of a user"),
        ({"identification": {"name": "device/device/serial"}}, "does not identify a device"),
        (
            {"identification": {"name": "printer/printer/uid", "column": "x"}},
            "not a kind of object",
        ),
        ({"identification": {"name": "device/device/uid"}}, "set either the column"),
        ({"inventory": INVENTORY}, "set either the column"),
        ({"inventory": INVENTORY | {"match": {}}}, "at least 1"),
        ({"fields": {BROKER: {"values": {"a": 8}}}}, "8 is out of range"),
        ({"fields": {BROKER: {"values": {"a": "citrix"}}}}, "'citrix' is wrong type"),
        ({"fields": {CENTRE: {"values": {"a": "x" * 65}}}}, "too long"),
        ({"fields": {CENTRE: {"values": {"a": ""}}}}, "use clear_when"),
        ({"fields": {CENTRE: {"values": {"a": True}}}}, "valid string"),
        ({"fields": {BROKER: {"values": {"a": True}}}}, "valid integer"),
        ({"fields": {CENTRE: {"clear_when": "1 = "}}}, "clear_when: Parser Error"),
        ({"fields": {CENTRE: {"clear_when": "true); SELECT (1"}}}, "clear_when"),
        ({"sql": "SELECT * FROM cmdb; SELECT 1"}, "one SELECT"),
        ({"sql": "COPY cmdb TO 'x'"}, "one SELECT"),
        ({"sql": "SELECT FROM"}, "Parser Error"),
        ({"sql": "SELECT * FROM cmdb, hr"}, "hr is not one of the sources"),
        ({"sql": "SELECT * FROM '/etc/passwd', cmdb"}, "is not one of the sources"),
        ({"sql": "SELECT 1 AS name, 2 AS cost_center"}, "does not read the source cmdb"),
        ({"sources": DECLARED, "sql": "SELECT nam FROM cmdb"}, '"nam" not found'),
        ({"sources": DECLARED, "sql": "SELECT name FROM cmdb"}, "no column cost_center"),
        ({"sources": DECLARED, "fields": {CENTRE: {"clear_when": "gone"}}}, '"gone" not found'),
        ({"sources": DECLARED, "fields": {CENTRE: {"clear_when": "count(*) > 1"}}}, "clear_when"),
        ({"incremental": "hr"}, "not one of the sources"),
        ({"incremental": "cmdb"}, "cannot select what has changed"),
        ({"full_every": "0s"}, "full_every"),
        ({"guards": {"shrink": 20}}, "less than or equal to 1"),
        ({"push": {"objects": 10_001}}, "less than or equal to 10000"),
        ({"verify": {"query_id": "readback"}}, "verify.query_id"),
    ],
)
def test_what_a_sync_gets_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(**changes)


def test_all_problems_are_told_at_once() -> None:
    told = refusal(
        identification={"name": "device/device/serial"},
        fields={"device/device/x": {}, BROKER: {"values": {"a": 8, "b": 9}}},
        sql="SELECT * FROM hr",
    )
    for words in (
        "serial",
        "device/device/x",
        "8 is",
        "9 is",
        "set either the column",
        "hr is not one",
    ):
        assert words in told


def test_a_select_may_have_tables_of_its_own_and_functions_that_make_rows() -> None:
    sync_of(sql="WITH hr AS (SELECT * FROM cmdb) SELECT * FROM hr, range(3) AS r(n);")
    sync_of(sql="SELECT * FROM CMDB WHERE name IN (SELECT name FROM cmdb)")


def test_columns_are_the_last_part_of_the_name_unless_they_are_given() -> None:
    fields = {CENTRE: {}, BROKER: {"column": "broker"}}
    sync = sync_of(fields=fields, identification={"name": "device/device/uid"}, inventory=INVENTORY)
    assert sync.columns == {CENTRE: "cost_center", BROKER: "broker"}
    assert sync.named_columns == {**sync.columns, "match.serial": "serial"}
    team: dict[str, Any] = {"user/user/organization/#team": {}}
    users = sync_of(fields=team, identification={"name": "user/user/upn", "column": "upn"})
    assert users.columns == {"user/user/organization/#team": "team"}


def test_fields_that_cannot_be_emptied_are_told_where_that_may_be_wanted() -> None:
    fields: dict[str, Any] = {CENTRE: {}, TYPE: {}, UPDATED: {}}
    assert sync_of(fields=fields).not_clearable == ()
    assert sync_of(fields=fields, mode="mirror").not_clearable == (TYPE, UPDATED)
    fields = {CENTRE: {"empty": "keep"}, TYPE: {"empty": "keep"}, UPDATED: {"clear_when": "true"}}
    assert sync_of(fields=fields).not_clearable == (TYPE, UPDATED)


def test_a_fingerprint_tells_one_mapping_from_another_and_nothing_else() -> None:
    mapping = FieldMapping.model_validate({"values": {"a": 1, "b": 2}, "normalise": ["trim"]})
    same = FieldMapping.model_validate({"normalise": ["trim"], "values": {"b": 2, "a": 1}})
    assert mapping.fingerprint == same.fingerprint
    others = [{"values": {"a": 1, "b": 3}}, {"longest": 10}, {"normalise": ["trim", "nfc"]}]
    made = {FieldMapping.model_validate(each).fingerprint for each in others}
    assert len(made | {mapping.fingerprint}) == len(others) + 1
    # Stored in the ledger: it must stay the same after an upgrade.
    assert FieldMapping(longest=10).fingerprint == "a91ba7ea5a4b93a3"
    assert sync_of().fingerprint == sync_of(**dict(reversed(SYNC.items()))).fingerprint
    assert sync_of().fingerprint != sync_of(domain="other").fingerprint
