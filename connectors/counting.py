"""Counted nouns in messages: 1 request, 2,000 requests; and names, of many only the first."""

from collections.abc import Collection
from itertools import islice


def number_of(number: int, noun: str) -> str:
    """Return a number with thousands separators and a noun, in the plural unless it is one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def number_doing(number: int, noun: str, one: str, more: str) -> str:
    """Return the same with a verb: `one` for 1 value (waits), `more` for others (wait)."""
    return f"{number_of(number, noun)} {one if number == 1 else more}"


def first_of(names: Collection[str], most: int) -> str:
    """Return names one after the other, and how many more there are than `most`."""
    shown, more = ", ".join(islice(names, most)), len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
