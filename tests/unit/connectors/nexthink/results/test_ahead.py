"""Iterators that run in their own thread."""

import threading
from collections.abc import Iterator

import pytest

from connectors.nexthink.results.ahead import ahead


def test_items_come_in_order_and_from_another_thread() -> None:
    threads = list(ahead((threading.current_thread().name for _ in range(3)), 1))
    assert threads == [f"{threading.current_thread().name} ahead"] * 3
    assert list(ahead(iter(range(100)), 2)) == list(range(100))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("why")

    seen: list[int] = []
    with pytest.raises(ValueError, match="why"):
        seen.extend(ahead(items(), 5))
    reading = ahead(items(), 5)
    assert next(reading) == 1
    with pytest.raises(ValueError, match="why"):
        next(reading)


def test_a_reader_that_leaves_ends_the_thread_and_no_more_is_made() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    before = threading.active_count()
    reading = ahead(items(), 2)
    assert next(reading) == 0
    reading.close()
    assert threading.active_count() == before
    assert len(made) < 10
