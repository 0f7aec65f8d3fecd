"""What all tests share: no settings of the machine reach them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.landing import Place, place


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the user's own settings away."""
    for name in list(os.environ):
        if name.startswith(("NEXTHINK_", "NXP_", "PREFECT_")):
            monkeypatch.delenv(name)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A small tenant and an empty installation, pointed at each other."""
    with place(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
