"""What all tests share: no settings of the machine reach them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.landing import Place, place

# A busy machine must not fail a test: no example has a time limit.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


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
