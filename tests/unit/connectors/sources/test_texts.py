"""Numbers as text: the shortest that reads back as the same number."""

import math
import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.arrow_texts import as_texts
from connectors.sources.texts import as_text

FORMS = {
    42.0: "42",
    -7.0: "-7",
    0.0: "0",
    10.5: "10.5",
    0.1 + 0.2: "0.30000000000000004",
    1e15: "1000000000000000",
    1e16: "1e+16",
    1e21: "1e+21",
    1e-7: "1e-07",
    100.0: "100",
}


@pytest.mark.parametrize("value", [*FORMS, -0.0])
def test_a_float_has_its_shortest_text(value: float) -> None:
    assert as_text(value) == FORMS[value]
    assert as_texts(pa.record_batch({"v": [value]})).to_pylist() == [{"v": FORMS[value]}]


@given(st.floats(allow_nan=False))
def test_a_float_reads_back_as_the_same_number(value: float) -> None:
    text = as_text(value)
    assert text is not None
    assert float(text) == value
    assert not text.endswith(".0")
    assert not (text.startswith("-") and value == 0)


@given(st.floats(width=32, allow_nan=False))
def test_a_small_float_has_no_more_digits_than_it_holds(value: float) -> None:
    (row,) = as_texts(pa.record_batch({"v": pa.array([value], pa.float32())})).to_pylist()
    assert struct.pack("f", float(row["v"])) == struct.pack("f", value or 0.0)
    assert len(row["v"]) <= len(as_text(value) or "")


def test_numbers_in_lists_are_as_short_as_outside() -> None:
    column = pa.array([[0.1, 42.0, None, float("nan")]], pa.list_(pa.float32()))
    batch = as_texts(pa.RecordBatch.from_arrays([column], ["x"]))
    assert batch["x"].to_pylist() == ["[0.1, 42, null, null]"]
    assert as_text({"a": [1.0, 1.10, float("inf"), b"x"]}) == '{"a": [1, 1.1, "inf", "eA=="]}'


def test_small_floats_of_files() -> None:
    values = pa.array([0.1, 42.0, None, math.nan, 16777216.0], pa.float32())
    assert as_texts(pa.record_batch({"v": values})).column(0).to_pylist() == [
        "0.1",
        "42",
        None,
        None,
        "16777216",
    ]
