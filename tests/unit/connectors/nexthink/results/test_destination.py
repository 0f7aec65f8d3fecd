"""A result on its way from download to reader: bounded, in order, and whole or an error."""

import random
import threading
import time

import pytest

from connectors.errors import IncompleteResultError
from connectors.nexthink.results.destination import (
    BLOCK_BYTES,
    BLOCKS_AHEAD,
    CsvStream,
    StartedOverError,
    StreamClosedError,
)

TEXT = random.Random(1).randbytes(3 * BLOCK_BYTES + 17).replace(b'"', b"'")


def write(stream: CsvStream, text: bytes, step: int) -> None:
    """Write in pieces, as a download does, and finish."""
    try:
        for start in range(0, len(text), step):
            stream.write(text[start : start + step])
        stream.finish()
    except BaseException as fault:  # noqa: BLE001 - passed to the reader
        stream.fail(fault)


def read_all(stream: CsvStream, size: int) -> list[bytes]:
    return list(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("step", [1000, BLOCK_BYTES, 2 * BLOCK_BYTES + 1])
def test_the_text_comes_whole_in_full_blocks_however_it_was_written(step: int) -> None:
    stream = CsvStream()
    writer = threading.Thread(target=write, args=(stream, TEXT, step))
    writer.start()
    blocks = read_all(stream, BLOCK_BYTES)
    writer.join()
    assert b"".join(blocks) == TEXT
    assert [len(block) for block in blocks] == [BLOCK_BYTES] * 3 + [17]
    assert stream.size == len(TEXT)


def test_smaller_reads_lose_nothing() -> None:
    stream = CsvStream()
    write(stream, TEXT, 70_000)
    assert b"".join(read_all(stream, 100_001)) == TEXT


def test_a_download_waits_for_a_reader_that_is_behind() -> None:
    stream = CsvStream()
    text = bytes(BLOCK_BYTES * (BLOCKS_AHEAD + 5))
    writer = threading.Thread(target=write, args=(stream, text, BLOCK_BYTES))
    writer.start()
    time.sleep(0.1)
    assert writer.is_alive()
    # The blocks that are ready, and the one that does not fit.
    assert stream.size == BLOCK_BYTES * (BLOCKS_AHEAD + 1)
    assert sum(len(block) for block in read_all(stream, BLOCK_BYTES)) == len(text)
    writer.join()


def test_text_that_ends_inside_quotes_is_never_read_to_its_end() -> None:
    stream = CsvStream()
    write(stream, b'a\n"b', 10)
    with pytest.raises(IncompleteResultError, match="inside a quoted field"):
        stream.read(10)


def test_the_reader_is_told_why_a_download_failed() -> None:
    stream = CsvStream()
    stream.write(bytes(BLOCK_BYTES))
    stream.fail(ValueError("why"))
    with pytest.raises(ValueError, match="why"):
        stream.read(10)


def test_what_was_read_cannot_be_taken_back() -> None:
    with pytest.raises(StartedOverError):
        CsvStream().start_over()


def test_a_download_that_nobody_reads_ends() -> None:
    stream = CsvStream()
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.write(bytes(BLOCK_BYTES))
