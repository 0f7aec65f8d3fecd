"""A small estate at a fixed moment, shared by the tests of this directory."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from sandbox.engine import Engine
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries

# A Friday noon, after working days.
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

Ask = Callable[..., pl.DataFrame]


def make_engine(directory: Path = Path("unused"), **options: object) -> Engine:
    """Return an engine over an estate, of 200 devices by default."""
    given = {"devices": 200, "now": NOW, "queries": directory} | options
    made = SandboxOptions(**given)  # type: ignore[arg-type]
    assert made.now is not None
    return Engine(made, SavedQueries(made.queries), made.now)


def ask(engine: Engine, text: str, now: datetime = NOW, **parameters: str) -> pl.DataFrame:
    """Return the result of a query at a moment."""
    return pl.concat(engine.rows(engine.prepare(text, parameters, now)))


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the estate that most tests use."""
    return make_engine()
