"""The library and the clone's own catalogue, which is a project made from it."""

from pathlib import Path

from nxp.library import LIBRARY
from nxp.library.page import COMMAND, page

DEPLOYMENTS = Path(__file__).resolve().parents[3] / "deployments"


def test_the_clones_catalogue_consists_of_files_of_the_library() -> None:
    for folder in ("datasets", "queries", "syncs", "actions", "questions"):
        for path in (DEPLOYMENTS / folder).iterdir():
            assert path.read_text() == (LIBRARY / folder / path.name).read_text(), path.name
    # The clone lands few datasets, and yet lists all questions: an answer names what to add.
    asked = {path.name for path in (LIBRARY / "questions").iterdir()}
    assert {path.name for path in (DEPLOYMENTS / "questions").iterdir()} == asked


def test_the_page_of_the_library_is_current() -> None:
    text = (DEPLOYMENTS.parent / "docs" / "library.md").read_text("utf-8")
    assert text == page(), f"run: {COMMAND}"


def test_the_clones_alerts_are_those_of_the_library() -> None:
    name = "automations.yaml"
    assert (DEPLOYMENTS / name).read_text() == (LIBRARY / name).read_text()
