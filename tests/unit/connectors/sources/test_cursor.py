"""Cursors: stored as text, valid for one specification, and the rows they remember."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from connectors.sources.cursor import KNOWN_ROWS, Cursor, Known, fingerprint

DIGESTS = st.frozensets(st.binary(min_size=8, max_size=8))


@given(st.text(), st.text(), DIGESTS)
def test_a_cursor_is_read_as_it_was_written(of: str, until: str, known: frozenset[bytes]) -> None:
    cursor = Cursor(of, until, known)
    assert Cursor.read(cursor.write(), of) == cursor
    assert Cursor.read(cursor.write(), f"{of}x") is None


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"of": "a"}', '{"of":"a","known":1}'])
def test_what_is_no_cursor_counts_as_none(text: str) -> None:
    assert Cursor.read(text, "a") is None


class Stated(BaseModel):
    """A specification."""

    table: str = "t"
    page_rows: int = 1


def test_how_rows_are_asked_for_does_not_make_another_specification() -> None:
    plain = fingerprint(Stated(), "url")
    assert plain == fingerprint(Stated(page_rows=2), "url")
    assert plain != fingerprint(Stated(table="u"), "url")
    assert plain != fingerprint(Stated(), "other")


def test_a_row_is_known_by_all_its_values() -> None:
    first = Known()
    assert first.is_new(["1", "a"], is_recent=True)
    assert first.is_new(["2", None], is_recent=True)
    assert first.is_new(["3", "old"], is_recent=False)
    second = Known(first.found)
    assert not second.is_new(["1", "a"], is_recent=True)
    assert not second.is_new(["2", None], is_recent=False)
    assert second.is_new(["2", "None"], is_recent=True)
    assert second.is_new(["1", "b"], is_recent=True)
    assert second.is_new(["3", "old"], is_recent=True)
    # Rows that are no longer recent are forgotten; those that came again and still are, are not.
    third = Known(second.found)
    assert not third.is_new(["1", "a"], is_recent=True)
    assert third.is_new(["2", None], is_recent=True)


def test_what_is_known_is_bounded() -> None:
    known = Known()
    for n in range(KNOWN_ROWS + 10):
        known.is_new([str(n)], is_recent=True)
    assert len(known.found) == KNOWN_ROWS
