"""What a changed contract does to landed data, in words."""

import pytest

from tasks.columns.contract import announced, difference
from tests.integration.upkeep.test_rewrite import things

LANDED = {"t": "timestamp[us, tz=UTC]", "boot_kind": "string", "_nxp_run_id": "string"}


def test_columns_that_come_and_go_are_named() -> None:
    new = {"t": LANDED["t"], "boot_type": "string", "_nxp_run_id": "string"}
    assert difference("d", LANDED, new) == "adds boot_type, stops filling boot_kind"
    kinds = {"t": "date32[day]", "boot_kind": "int64", "_nxp_run_id": "string"}
    assert "changes t from datetime to date, changes boot_kind from string to int, nxp" in str(
        difference("d", LANDED, kinds)
    )
    assert difference("d", LANDED, LANDED) is difference("d", {}, new) is None


@pytest.mark.parametrize("kind", ["list<item: string>", "list<element: string>"])
def test_another_type_names_the_command_and_a_list_of_any_version_is_a_list(kind: str) -> None:
    said = difference("d", LANDED, LANDED | {"boot_kind": kind})
    assert said == (
        "changes boot_kind from string to list, "
        "nxp lake rewrite d brings earlier files to the new types"
    )
    assert difference("d", {"a": kind}, {"a": "list<item: string>"}) is None


def test_what_a_yaml_changes_is_known_before_the_next_landing() -> None:
    of = things("list")
    assert announced(of, {"t": LANDED["t"], "c": "list<item: string>"}) is None
    said = announced(of, {**LANDED, "c": "string"})
    assert said is not None
    assert said.startswith("stops filling boot_kind, changes c from string to list, nxp lake rew")
    assert "still lands" in said
    frozen = of.model_copy(update={"drift": "freeze"})
    assert announced(frozen, {"t": LANDED["t"], "x": "string"}) == "adds c, stops filling x"
