"""Strict CSV, compared with Python's csv module in strict mode, however the text is divided."""

import csv
import io
import random
from collections.abc import Iterable
from typing import Any

import pytest

from connectors.csv_syntax import BARE_CR, INSIDE, MIXED, CsvSyntax, CsvSyntaxError

LONG = "x" * 100


def check(content: bytes, cuts: Iterable[int] = (), **options: Any) -> CsvSyntaxError | None:
    syntax = CsvSyntax(";", **options)
    ends = [*sorted(cuts), len(content)]
    try:
        for start, end in zip([0, *ends], ends, strict=False):
            syntax.feed(content[start:end])
        syntax.finish()
    except CsvSyntaxError as error:
        return error
    return None


def random_text(chance: random.Random) -> tuple[str, bool]:
    """Return text, and whether it is surely right."""
    if chance.random() < 0.5:
        letters = ['a"', '"', ";", "\n", "\r\n", "é", "b" if chance.random() < 0.9 else "\r", LONG]
        return "".join(chance.choices(letters, k=chance.randint(0, 40))), False
    text, end = io.StringIO(newline=""), chance.choice(["\n", "\r\n"])
    letters = ["a", '"', ";", "\n", "é", LONG]
    rows = [["".join(chance.choices(letters, k=3)) for _ in range(3)] for _ in range(9)]
    if chance.random() < 0.5:
        writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator=end)
    else:
        writer = csv.writer(text, delimiter=";", lineterminator=end)
    writer.writerows(rows)
    return text.getvalue(), True


@pytest.mark.parametrize("sparse", [0, 48, 10**9])
def test_what_is_accepted_is_what_python_reads_strictly(sparse: int) -> None:
    chance = random.Random(sparse)
    for _ in range(500):
        text, is_right = random_text(chance)
        content = text.encode()
        cuts = chance.choices(range(len(content) + 1), k=chance.randint(0, 3))
        error = check(content, cuts, sparse=sparse)
        try:
            list(csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True))
        except csv.Error:
            assert error is not None, text
        else:
            # Python keeps a quote inside of a field, and takes any mixture of line ends.
            assert error is None or error.reason in (INSIDE, BARE_CR, MIXED), text
        assert error is None or not is_right, text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a;b\n1;"North\n2;"South\n', "row 2 (line 3) has text after a closing quote"),
        (b'a;b\n1;"North" Plant\n', "row 2 has text after a closing quote"),
        (b'a;b\n1;"say \\"hi\\""\n', "row 2 has text after a closing quote"),
        (b'a;b\n1;"x\\";y"\n', "row 2 has a quote inside a field that does not begin with one"),
        (b'a;b\n1;24" screen\n', "row 2 has a quote inside a field that does not begin with one"),
        (b'a;b\n"1\n2";3\n4;"5', "row 3 (line 4) has a quote that is not closed"),
        (b"a;b\n1;x\ry\n", "row 2 has a carriage return that is not part of a line break"),
        (b"a;b\r1;2\r3;4\n", "row 3 ends its lines in another way than the rows before it"),
        (b"a;b\n1;\0\n", "row 2 contains a NUL character"),
    ],
)
def test_a_fault_is_named_with_its_row_wherever_blocks_end(content: bytes, said: str) -> None:
    for cut in range(len(content)):
        assert str(check(content, [cut])) == said


@pytest.mark.parametrize(
    "content",
    [b'a;b\r\n1;"2\r3\r\n4\n5"\r\n', b"a;b\r1;2\r", b'\xef\xbb\xbf"a";""\n""""; x \n', b"a;b", b""],
)
def test_line_breaks_inside_of_quotes_and_one_kind_outside_are_right(content: bytes) -> None:
    for cut in range(len(content) + 1):
        assert check(content, [cut]) is None


def test_quotes_can_be_plain_characters() -> None:
    assert check(b'a;b\n1;24" "x\n', quoted=False) is None
