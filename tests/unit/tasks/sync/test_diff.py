"""The difference, in every case, between the sources and what Nexthink has acknowledged."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from connectors.syncs import SyncMode
from tasks.sync.diff import ComparisonSettings, Fields, SyncDifference, again, difference
from tasks.sync.plan_rows import PLAN, DiffCounts, count_first
from tests.planning import NOW, OWNER, SITE, TYPE, Estate, known, wanted

FIELDS = Fields({OWNER: "m", SITE: "m", TYPE: "m"}, frozenset({OWNER, SITE}))
HOUR = timedelta(hours=1)
Rows = list[tuple[Any, ...]]


def compared(
    estate: Estate,
    *rows: Mapping[str, Any],
    absent: tuple[str, ...] = (),
    listed: tuple[str, ...] | None = None,
    **view: Any,
) -> SyncDifference:
    settings: dict[str, Any] = {"mode": SyncMode.MIRROR, "now": NOW, "is_complete": True}
    before = pl.Series("key", list(absent), pl.String)
    says = wanted(estate, listed=listed)
    return difference(
        says,
        known(*rows),
        fields=FIELDS,
        view=ComparisonSettings(**(settings | view)),
        absent_before=before,
    )


def told(found: SyncDifference) -> Rows:
    return found.rows.select("key", "field", "before", "after", "action").rows()


def open_row(
    value: str | None, open_value: str, state: str = "open", **more: Any
) -> dict[str, Any]:
    return {"key": "pc-1", "value": value, "open_value": open_value, "state": state, **more}


def test_a_first_run_sets_all_and_empties_nothing() -> None:
    found = compared({"PC-1": {OWNER: "A", SITE: ""}, "PC-2": {SITE: "B"}})
    assert told(found) == [
        ("pc-1", OWNER, None, "A", "set"),
        ("pc-2", SITE, None, "B", "set"),
    ]
    assert found.rows["identity"].to_list() == ["PC-1", "PC-2"]
    assert (found.counts.set, found.counts.unchanged) == (2, 1)


def test_the_same_again_is_nothing_to_do() -> None:
    found = compared({"PC-1": {OWNER: "A", SITE: ""}}, {"key": "pc-1", "value": "A"})
    assert told(found) == []
    assert found.counts.unchanged == 2


def test_a_key_in_another_spelling_is_the_same_key() -> None:
    found = compared({" pc-1 ": {OWNER: "A"}}, {"key": "pc-1", "identity": "PC-1", "value": "A"})
    assert told(found) == []
    changed = compared({"Pc-1": {OWNER: "B"}}, {"key": "pc-1", "identity": "PC-1", "value": "A"})
    assert changed.rows["identity"].to_list() == ["Pc-1"]


@pytest.mark.parametrize(
    ("says", "row", "expected"),
    [
        ("B", {"value": "A"}, [("A", "B", "change")]),
        ("B", {"value": ""}, [("", "B", "set")]),
        ("", {"value": "A"}, [("A", "", "clear")]),
        ("", {"value": ""}, []),
        # Sent, but not known to be taken.
        ("B", open_row(None, "B"), [(None, "B", "set")]),
        ("B", open_row("A", "B"), [("A", "B", "change")]),
        ("A", open_row("A", "B"), [("A", "A", "settle")]),
        ("A", open_row("A", ""), [("A", "A", "settle")]),
        ("", open_row("A", "B"), [("A", "", "clear")]),
        ("", open_row("A", ""), [("A", "", "clear")]),
        ("C", open_row("A", "B"), [("A", "C", "change")]),
        # If C were refused, it would no longer be known that B may be there.
        ("C", open_row(None, "B"), [(None, "B", "settle"), ("B", "C", "change")]),
        ("C", open_row("", "B"), [("", "B", "settle"), ("B", "C", "change")]),
        ("", open_row(None, "B"), [(None, "B", "settle"), ("B", "", "clear")]),
        ("", open_row("", "B"), [("", "B", "settle"), ("B", "", "clear")]),
        # Refused because of the value.
        ("B", open_row("A", "B", "rejected"), []),
        ("C", open_row("A", "B", "rejected"), [("A", "C", "change")]),
        ("A", open_row("A", "B", "rejected"), [("A", "A", "settle")]),
        ("B", open_row("A", "B", "rejected", mapping="old"), [("A", "B", "change")]),
        ("", open_row(None, "B", "rejected"), []),
        ("", open_row("A", "B", "rejected"), [("A", "", "clear")]),
        ("", open_row("A", "", "rejected"), []),
        # The object does not exist.
        ("B", open_row(None, "B", "unknown", retry_at=NOW + HOUR), []),
        ("B", open_row(None, "B", "unknown", retry_at=NOW), [(None, "B", "set")]),
        ("C", open_row(None, "B", "unknown", retry_at=NOW + HOUR), [(None, "C", "set")]),
        ("", open_row(None, "B", "unknown", retry_at=NOW), []),
    ],
)
def test_one_field_of_one_object(
    says: str, row: Mapping[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    found = compared({"PC-1": {OWNER: says}}, {"key": "pc-1", **row})
    assert found.rows.select("before", "after", "action").rows() == expected
    waits = not expected and row.get("open_value") == says
    assert (found.counts.waiting, found.counts.unchanged) == (
        int(waits),
        int(not (waits or expected)),
    )


def test_an_unknown_object_comes_due_when_a_later_inventory_lists_it() -> None:
    row = open_row(None, "B", "unknown", tried_at=NOW - HOUR, retry_at=NOW + HOUR)
    estate, again_set = {"PC-1": {OWNER: "B"}}, [("pc-1", OWNER, None, "B", "set")]
    older = compared(estate, row, listed=("pc-1",), inventory_at=NOW - 2 * HOUR)
    assert (told(older), older.counts.waiting) == ([], 1)
    assert told(compared(estate, row, listed=("pc-1",), inventory_at=NOW)) == again_set
    assert told(compared(estate, row, listed=("pc-2",), inventory_at=NOW)) == []
    changes: dict[str, Any] = {"inventory_at": NOW, "is_complete": False}
    assert told(compared({}, row, listed=("pc-1",), **changes)) == again_set
    assert told(compared({}, row, listed=(), **changes)) == []


def test_a_key_that_the_inventory_lacks_was_not_looked_for() -> None:
    row = {"key": "pc-1", "value": "A"}
    found = compared({}, row, absent=("pc-1",), listed=("pc-2",))
    assert (told(found), found.absent.to_list(), found.counts.absent_keys) == ([], [], 0)
    listed = compared({}, row, absent=("pc-1",), listed=("pc-1",))
    assert [action for *_, action in told(listed)] == ["clear"]


def test_a_changed_mapping_alone_sends_nothing() -> None:
    found = compared({"PC-1": {OWNER: "A"}}, {"key": "pc-1", "value": "A", "mapping": "old"})
    assert told(found) == []


def test_a_field_that_is_mapped_no_more_is_left_alone_and_counted() -> None:
    other = {"key": "pc-1", "field": "device/device/#old", "value": "A"}
    gone = {"key": "pc-2", "field": "device/device/#old", "value": "A"}
    emptied = {"key": "pc-1", "field": "device/device/#older", "value": ""}
    found = compared({"PC-1": {OWNER: ""}}, other, gone, emptied, absent=("pc-2",))
    assert told(found) == []
    assert (found.counts.unmapped, found.counts.absent_keys) == (2, 0)


def test_a_cell_that_says_nothing_leaves_the_field_alone() -> None:
    found = compared({"PC-1": {SITE: "S"}}, open_row("A", "B"))
    assert [row[1] for row in told(found)] == [SITE]


def test_an_absent_key_is_emptied_at_the_second_complete_scan() -> None:
    rows = ({"key": "pc-1", "value": "A"}, {"key": "pc-1", "field": SITE, "value": ""})
    first = compared({}, *rows)
    assert (told(first), first.absent.to_list()) == ([], ["pc-1"])
    assert (first.counts.absent_keys, first.counts.gone_keys) == (1, 0)
    second = compared({}, *rows, absent=("pc-1",))
    assert told(second) == [("pc-1", OWNER, "A", "", "clear")]
    assert second.rows["identity"].to_list() == ["PC-1"]
    assert (second.absent.to_list(), second.counts.gone_keys) == (["pc-1"], 1)
    back = compared({"PC-1": {OWNER: "A"}}, *rows, absent=("pc-1",))
    assert (told(back), back.absent.to_list()) == ([], [])


def test_an_absent_key_of_which_nothing_is_left_is_no_longer_absent() -> None:
    found = compared({}, {"key": "pc-1", "value": ""}, absent=("pc-1",))
    assert (told(found), found.absent.to_list()) == ([], [])


def test_what_a_gone_key_may_hold_is_written_again_before_it_is_emptied() -> None:
    found = compared({}, open_row(None, "B"), absent=("pc-1",))
    assert [row[-1] for row in told(found)] == ["settle", "clear"]


def test_what_cannot_be_emptied_is_counted_and_stays() -> None:
    rows = ({"key": "pc-1", "value": "A"}, {"key": "pc-1", "field": TYPE, "value": "1"})
    found = compared({}, *rows, absent=("pc-1",))
    assert [row[1] for row in told(found)] == [OWNER]
    assert found.counts.not_clearable == 1


@pytest.mark.parametrize("view", [{"is_complete": False}, {"mode": SyncMode.UPSERT}])
def test_absence_means_nothing_in_a_pull_of_changes_or_an_upsert(view: Any) -> None:
    found = compared({}, {"key": "pc-1", "value": "A"}, absent=("pc-1",), **view)
    assert (told(found), found.absent.to_list()) == ([], [])


def test_a_pull_of_changes_sends_again_what_is_open_and_did_not_come() -> None:
    rows = (
        open_row("A", "B"),
        open_row("A", "", field=SITE),
        open_row("1", "2", "rejected", field=TYPE),
        {**open_row(None, "B", "unknown", retry_at=NOW + HOUR), "key": "pc-2"},
        {**open_row(None, "B", "unknown", retry_at=NOW), "key": "pc-3"},
        {**open_row("A", "B"), "key": "pc-4"},
    )
    found = compared({"PC-4": {OWNER: "C"}}, *rows, is_complete=False)
    assert told(found) == [
        ("pc-1", OWNER, "A", "B", "change"),
        ("pc-1", SITE, "A", "", "clear"),
        ("pc-3", OWNER, None, "B", "set"),
        ("pc-4", OWNER, "A", "C", "change"),
    ]
    assert found.counts.waiting == 1


def test_upsert_empties_where_the_source_says_so() -> None:
    found = compared({"PC-1": {OWNER: ""}}, {"key": "pc-1", "value": "A"}, mode=SyncMode.UPSERT)
    assert told(found) == [("pc-1", OWNER, "A", "", "clear")]


def test_a_retry_sends_all_that_is_not_taken_whatever_it_waits_for() -> None:
    rows = known(
        open_row("A", "B"),
        {**open_row("A", "B", "rejected"), "key": "pc-2"},
        {**open_row(None, "B", "unknown", retry_at=NOW + HOUR), "key": "pc-3"},
        {**open_row("A", "", "rejected"), "key": "pc-4"},
        {"key": "pc-5", "value": "A"},
        {**open_row("A", "B"), "field": "device/device/#old"},
    )
    found = again(rows, FIELDS, ComparisonSettings(SyncMode.MIRROR, NOW, waits=False))
    assert [(row[0], row[-1]) for row in told(found)] == [
        ("pc-1", "change"),
        ("pc-2", "change"),
        ("pc-3", "set"),
        ("pc-4", "clear"),
    ]


def test_keys_are_counted_once_however_many_fields_they_have() -> None:
    rows = [
        {"key": key, "field": name, "value": "A"}
        for key in ("pc-1", "pc-2")
        for name in (OWNER, SITE)
    ]
    found = compared({"PC-1": {OWNER: "B", SITE: "C"}, "PC-2": {OWNER: "", SITE: ""}}, *rows)
    assert (found.counts.change, found.counts.changed_keys) == (2, 1)
    assert (found.counts.clear, found.counts.cleared_keys) == (2, 1)
    total = found.counts
    total.add(compared({"PC-9": {OWNER: "A"}}).counts)
    assert (total.set, total.change) == (1, 2)


def test_keys_that_get_their_first_values_are_those_that_are_sent() -> None:
    cells = {
        "pc-1": ("set", known()),
        "pc-2": ("overwrite", known()),
        "pc-3": ("theirs", known()),
        "pc-4": ("set", known({"key": "pc-4", "field": SITE})),
        # It was left to others.
        "pc-5": ("set", known({"key": "pc-5", "state": "theirs", "open_value": "B"})),
        # It was sent before; the last had a value of ours.
        "pc-6": ("set", known({"key": "pc-6", "state": "open", "open_value": "B"})),
        "pc-7": ("overwrite", known({"key": "pc-7", "value": "A"})),
    }
    rows = [(key, key, OWNER, None, "B", action, None) for key, (action, _) in cells.items()]
    counts = DiffCounts()
    plan = pl.DataFrame(rows, schema=PLAN, orient="row")
    count_first(plan, pl.concat(ledger for _, ledger in cells.values()), counts)
    assert (counts.new_keys, counts.first_keys) == (2, 2)
