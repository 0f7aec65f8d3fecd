"""Keys that several rows of a unit have, counted while the rows pass."""

import polars as pl

from connectors.catalogue import DatasetSpecification
from tasks.columns.repeated_keys import KeyCount

SPECIFICATION = DatasetSpecification.model_validate(
    {
        "dataset": "devices",
        "query_id": "#devices",
        "mode": "snapshot",
        "columns": [{"nql": "uid", "key": True}, {"nql": "site", "key": True}, {"nql": "name"}],
    }
)
ROWS = pl.DataFrame({"uid": ["a", "a", "b"], "site": ["x", "y", "x"], "name": ["n", "n", "n"]})


def test_a_key_may_repeat_only_if_all_of_its_columns_are_equal() -> None:
    count = KeyCount(SPECIFICATION)
    count.add(ROWS)
    assert not count.may_repeat(3)
    count.add(ROWS.tail(1))
    assert count.may_repeat(4)


def test_units_of_more_rows_than_memory_is_kept_for_are_not_looked_at() -> None:
    count = KeyCount(SPECIFICATION, most=4)
    count.add(ROWS)
    count.add(ROWS)
    count.add(ROWS)
    assert not count.may_repeat(9)
