"""CSV as a tenant writes it."""

import csv
import gzip
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.options import DATETIME_FORMATS, SandboxOptions
from sandbox.rendering import COMPRESSORS, DateStyle, csv_header, csv_rows, style_of
from tests.sampling import sampled

LOCAL = DateStyle(DATETIME_FORMATS["local"], "Europe/Zurich")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def test_null_is_an_empty_field_and_an_empty_text_is_a_pair_of_quotes() -> None:
    frame = pl.DataFrame({"a": ["", None, "x"], "b": [1, None, 3], "c": [True, None, False]})
    assert csv_rows(frame, LOCAL) == b'"",1,true\n,,\nx,3,false\n'


@pytest.mark.parametrize(
    ("null", "booleans", "expected"),
    [
        ("", ("true", "false"), b'"",1,true\n,,\nx,3,false\n'),
        ("null", ("1", "0"), b'"",1,1\nnull,null,null\nx,3,0\n'),
        ("-", ("True", "False"), b'"",1,True\n-,-,-\nx,3,False\n'),
    ],
)
def test_nulls_and_truth_values_are_written_in_the_form_of_the_tenant(
    null: str, booleans: tuple[str, str], expected: bytes
) -> None:
    frame = pl.DataFrame({"a": ["", None, "x"], "b": [1, None, 3], "c": [True, None, False]})
    assert csv_rows(frame, replace(LOCAL, null=null, booleans=booleans)) == expected


def test_the_style_of_a_tenant_is_what_its_options_say() -> None:
    options = SandboxOptions(
        queries=Path(), datetime_format="iso", null_form="null", boolean_form="1/0"
    )
    style = style_of(options)
    assert (style.null, style.booleans, style.zone) == ("null", ("1", "0"), "UTC")
    assert style_of(SandboxOptions(queries=Path())) == DateStyle("%Y-%m-%d %H:%M:%S", "UTC")


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
@settings(max_examples=sampled(60), deadline=None)
def test_any_text_survives_the_quoting(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b"], orient="row")
    text = csv_rows(frame, LOCAL).decode()
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))] == rows


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("local", "2026-07-01 14:00:05"),
        ("local-ms", "2026-07-01 14:00:05.250"),
        ("iso", "2026-07-01T14:00:05+02:00"),
        ("iso-ms", "2026-07-01T14:00:05.250+02:00"),
        ("%d.%m.%Y %H:%M", "01.07.2026 14:00"),
    ],
)
def test_date_times_are_written_in_the_style_of_the_tenant(name: str, written: str) -> None:
    moment = datetime(2026, 7, 1, 12, 0, 5, 250_000, tzinfo=UTC)
    frame = pl.DataFrame({"t": [moment]}, schema={"t": pl.Datetime("us", "UTC")})
    style = DateStyle(DATETIME_FORMATS.get(name, name), "Europe/Zurich")
    assert csv_rows(frame, style).decode() == f"{written}\n"


def test_utc_style_says_so() -> None:
    frame = pl.DataFrame({"t": [datetime(2026, 7, 1, 12, tzinfo=UTC)]})
    style = DateStyle(DATETIME_FORMATS["utc"], "Europe/Zurich").in_utc()
    assert csv_rows(frame, style) == b"2026-07-01T12:00:00Z\n"


def test_json_in_a_field_has_its_quotes_doubled_and_arrays_are_quoted_for_their_commas() -> None:
    frame = pl.DataFrame({"o": ['{"a":"x\\ny"}', "a\nb"], "l": [["C:", "D:"], []]})
    assert csv_rows(frame, LOCAL) == b'"{""a"":""x\\ny""}","[C:, D:]"\n"a\nb",[]\n'


def test_headers_are_written_as_they_are() -> None:
    assert csv_header(pl.DataFrame({"binary.sha-256_hash_hex": [], "a,b": []})) == (
        b'binary.sha-256_hash_hex,"a,b"\n'
    )


def test_each_compression_gives_back_what_went_in() -> None:
    unpack = {
        "NONE": lambda data: data,
        "GZIP": gzip.decompress,
        "ZSTD": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    pieces = [b"one,two\n" * 1000, b"", b"three"]
    for name, make in COMPRESSORS.items():
        compressor = make()
        packed = b"".join(compressor.compress(piece) for piece in pieces) + compressor.flush()
        assert unpack[name](packed) == b"".join(pieces)  # type: ignore[no-untyped-call]
