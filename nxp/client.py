"""The client of a command that asks the tenant for something outside any run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.nexthink.client import NexthinkClient


@contextmanager
def open_client(tenant: str | None) -> "Iterator[NexthinkClient]":
    """Open a client whose calls count among those of all processes.

    Args:
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.

    Raises:
        ConfigurationError: with every problem of the settings.
    """
    from tasks.runs.counted import client_of  # noqa: PLC0415 - SQLAlchemy, not for --help

    with client_of(tenant) as client:
        yield client
