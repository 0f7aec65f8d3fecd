"""What may be sent, by what the tenant was seen to hold, in every case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.ledger.enriched import KNOWN
from tasks.sync.conflicts import (
    HELD,
    VERDICT,
    ConflictRule,
    divided,
    judged,
    noted,
    replanned,
    unseen,
)
from tasks.sync.plan_rows import PLAN
from tests.planning import OWNER, known

READ_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
AFTER = timedelta(minutes=5)
LONG_AGO, LATELY = READ_AT - timedelta(hours=1), READ_AT - timedelta(minutes=1)
KEEP, TAKE = ConflictRule(READ_AT, AFTER, takes=False), ConflictRule(READ_AT, AFTER, takes=True)
BROKER = "device/device/virtualization/desktop_broker"


def plan_rows(*rows: tuple[str | None, str, str], field: str = OWNER) -> pl.DataFrame:
    """Return rows of a plan for one field: before, after, action."""
    cells = [("pc-1", "PC-1", field, *row, None) for row in rows]
    return pl.DataFrame(cells, schema=PLAN, orient="row")


def shown(*values: str, field: str = OWNER) -> pl.DataFrame:
    rows = [("pc-1", field, value) for value in values]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("key", "field", "shown"), pl.String), orient="row"
    )


def of_ledger(value: str | None = None, field: str = OWNER, **more: Any) -> pl.DataFrame:
    row = {"key": "pc-1", "value": value, "acknowledged_at": LONG_AGO, "field": field}
    return known(row | more)


def met(
    rows: pl.DataFrame, ledger: pl.DataFrame, held: pl.DataFrame, rule: ConflictRule = KEEP
) -> list[tuple[Any, ...]]:
    return judged(rows, ledger, held, rule).select(VERDICT, "set_by").rows()


NOTHING = pl.DataFrame(schema=dict(KNOWN))
SET, CHANGE, CLEAR = (None, "B", "set"), ("A", "B", "change"), ("A", "", "clear")
OPEN: dict[str, Any] = {"state": "open", "open_value": "B", "tried_at": LONG_AGO}


@pytest.mark.parametrize(
    ("row", "ledger", "held", "keep", "take"),
    [
        # Nothing of ours is there.
        (SET, NOTHING, shown(""), ("send", None), None),
        (SET, NOTHING, shown("X"), ("theirs", "others"), ("overwrite", "others")),
        (SET, NOTHING, shown("B"), ("same", "others"), None),
        (SET, NOTHING, shown(), ("send", None), None),
        # What this sync last set is there.
        (CHANGE, of_ledger("A"), shown("A"), ("send", "us"), None),
        (CLEAR, of_ledger("A"), shown("A"), ("send", "us"), None),
        # A tenant may cut blanks off; blanks of others are a value.
        (CHANGE, of_ledger(" A "), shown("A"), ("send", "us"), None),
        (SET, NOTHING, shown(" "), ("theirs", "others"), ("overwrite", "others")),
        # Others have set another value: it is never emptied.
        (CHANGE, of_ledger("A"), shown("X"), ("theirs", "others"), ("overwrite", "others")),
        (CHANGE, of_ledger("A"), shown("B"), ("same", "others"), None),
        (CLEAR, of_ledger("A"), shown("X"), ("theirs", "others"), None),
        # The object was not read.
        (CHANGE, of_ledger("A"), shown(), ("not seen", None), None),
        (CLEAR, of_ledger("A"), shown(), ("not seen", None), None),
        # It does not show yet, or never came.
        (CHANGE, of_ledger("A", acknowledged_at=LATELY), shown("X"), ("not shown", "others"), None),
        (CLEAR, of_ledger("A", acknowledged_at=LATELY), shown(""), ("not shown", None), None),
        (CHANGE, of_ledger("A", stood="X"), shown("X"), ("not shown", "others"), None),
        (CLEAR, of_ledger("A", stood="X"), shown("X"), ("not shown", "others"), None),
        (CHANGE, of_ledger("A"), shown(""), ("not shown", None), None),
        (CLEAR, of_ledger("A"), shown(""), ("done", None), None),
        # An answer was lost: what was sent may be there.
        (SET, of_ledger(None, **OPEN), shown("B"), ("send", "us"), None),
        (SET, of_ledger(None, **OPEN), shown(""), ("send", None), None),
        (SET, of_ledger(None, **OPEN), shown("X"), ("theirs", "others"), ("overwrite", "others")),
        (
            SET,
            of_ledger(None, **{**OPEN, "tried_at": LATELY}),
            shown("X"),
            ("not shown", "others"),
            ("overwrite", "others"),
        ),
        (CHANGE, of_ledger("A", **OPEN), shown("A"), ("send", "us"), None),
        # It was emptied, and the answer was lost.
        (
            ("A", "A", "settle"),
            of_ledger("A", **{**OPEN, "open_value": ""}),
            shown(""),
            ("send", None),
            None,
        ),
        # Of several objects with one key, the one with the value of others counts.
        (CHANGE, of_ledger("A"), shown("A", "X"), ("theirs", "others"), ("overwrite", "others")),
        (SET, NOTHING, shown("", "B"), ("same", "others"), None),
    ],
)
def test_one_value(
    row: Any, ledger: pl.DataFrame, held: pl.DataFrame, keep: Any, take: Any
) -> None:
    assert met(plan_rows(row), ledger, held) == [keep]
    assert met(plan_rows(row), ledger, held, TAKE) == [take or keep]


def test_a_number_that_means_nothing_is_compared_as_nothing() -> None:
    none = plan_rows((None, "0", "set"), field=BROKER)
    assert met(none, NOTHING, shown("", field=BROKER)) == [("send", None)]
    assert met(none, NOTHING, shown("4", field=BROKER), TAKE) == [("theirs", "others")]


PAIR = ((None, "B", "settle"), ("B", "", "clear"))


def test_what_may_be_there_is_settled_and_emptied_only_where_nobody_else_wrote() -> None:
    ledger = of_ledger(None, **OPEN)
    for held in ("", "B"):
        rows = replanned(judged(plan_rows(*PAIR), ledger, shown(held), KEEP))
        assert rows["action"].to_list() == ["settle", "clear"]
    theirs = replanned(judged(plan_rows(*PAIR), ledger, shown("X"), TAKE))
    assert theirs.select("before", "after", "action", "set_by").rows() == [
        ("X", "", "theirs", "others")
    ]


def test_a_value_of_others_met_before_is_planned_once_it_is_gone() -> None:
    ledger = of_ledger(None, state="theirs", open_value="B")
    (row,) = replanned(judged(plan_rows((None, "B", "theirs")), ledger, shown(""), KEEP)).rows(
        named=True
    )
    assert (row["before"], row["after"], row["action"]) == (None, "B", "set")


def test_values_of_others_are_noted_and_wait() -> None:
    found = judged(plan_rows(SET), NOTHING, shown("X"), KEEP)
    (note,) = noted(found, {OWNER: "m"}, READ_AT).to_dicts()
    assert (note["state"], note["value"], note["open_value"]) == ("theirs", None, "B")
    assert noted(judged(plan_rows(CLEAR), of_ledger("A"), shown("X"), KEEP), {}, READ_AT).is_empty()


@pytest.mark.parametrize(
    ("planned", "held", "is_sent"),
    [("X", "X", True), ("X", "Y", False), (None, "X", False), ("X", "", True)],
)
def test_an_overwrite_meets_what_it_was_planned_for(
    planned: str | None, held: str, is_sent: bool
) -> None:
    action = "overwrite" if planned else "set"
    found = judged(plan_rows((planned, "B", action)), NOTHING, shown(held), TAKE)
    sent, left = divided(found)
    assert (sent.height, left.height) == (int(is_sent), int(not is_sent))
    assert left[VERDICT].to_list() == ([] if is_sent else ["theirs"])


def test_where_nothing_can_be_read_only_sets_are_sent() -> None:
    rows = unseen(plan_rows(SET, CHANGE, CLEAR, (None, "B", "settle")))
    assert rows[VERDICT].to_list() == ["send", "not seen", "not seen", "not seen"]
    assert rows[HELD].null_count() == rows.height
