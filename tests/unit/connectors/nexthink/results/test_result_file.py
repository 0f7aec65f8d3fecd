"""Reading result files: unusual beginnings, empty files, ragged rows."""

import io
from pathlib import Path

import pytest

from connectors.errors import DataRefusedError
from connectors.nexthink.results.result_file import BrokenCsvError, ResultFile


def read(tmp_path: Path, content: bytes) -> tuple[list[str], list[tuple[str | None, ...]]]:
    path = tmp_path / "result.csv"
    path.write_bytes(content)
    file = ResultFile(path)
    return file.header, [row for batch in file.frames() for row in batch.rows()]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\r\n", b"\n\n"])
def test_a_file_without_text_is_an_empty_result(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == ([], [])


@pytest.mark.parametrize("content", [b"a,b", b"a,b\n", b"\xef\xbb\xbfa,b\r\n", b'"a","b"'])
def test_a_header_alone_is_a_result_without_rows(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == (["a", "b"], [])


@pytest.mark.parametrize("content", [b"\na,b\n1,2\n", b"\r\n\r\na\n1\n"])
def test_a_file_that_begins_with_an_empty_line_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataRefusedError, match="empty line"):
        read(tmp_path, content)


def test_null_empty_quotes_newlines_and_line_ends_are_told_apart(tmp_path: Path) -> None:
    content = b'a,b\r\n,""\r\n"x\ny","q""z"\r\n1,2'
    assert read(tmp_path, content)[1] == [(None, ""), ("x\ny", 'q"z'), ("1", "2")]


def test_in_a_file_of_one_column_an_empty_line_is_a_row(tmp_path: Path) -> None:
    assert read(tmp_path, b'a\n1\n\n""\n')[1] == [("1",), (None,), ("",)]


@pytest.mark.parametrize("content", [b"a,b\n1,\xff\n", b"\xff\xfe,b\n1,2\n"])
def test_what_is_not_utf_8_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataRefusedError) as caught:
        read(tmp_path, content)
    assert "xff" not in str(caught.value)


def test_rows_with_too_few_or_too_many_fields_are_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_bytes(b"a,b\n1\n1,2\n1,2,3\n")
    file = ResultFile(path)
    assert sum(len(batch) for batch in file.frames()) == 1
    assert file.take_ragged() == ["1", "1,2,3"]
    assert file.take_ragged() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a,b\n1,"North\n2,"South\n', r"row 2 \(line 3\) has text after a closing quote"),
        (b'a,b\n1,"North" Plant\n', "row 2 has text after a closing quote"),
        (b'a,b\n1,"x\\",y"\n', "row 2 has a quote inside a field"),
        (
            b'a,b\n1,"x\n2,y",z\n',
            "row 2, which runs over a line break, has 3 fields where the header has 2",
        ),
        (b"a,b\n1,x\ry,2\n", "row 2 has a carriage return"),
    ],
)
def test_rows_are_never_merged_or_divided(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(BrokenCsvError, match=said):
        read(tmp_path, content)
    with pytest.raises(BrokenCsvError):
        list(ResultFile(io.BytesIO(content)).frames())
