"""Documents: links and anchors lead somewhere, and each page has its place in the site."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from scripts import reference, site_hooks

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *(ROOT / name for name in site_hooks.ALSO), *DOCS.rglob("*.md")]
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Return the text of a page without its blocks of code."""
    return FENCED.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found.add(name if name not in found else f"{name}-1")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), target
        assert not anchor or anchor in anchors(aim), target


def test_pictures_are_small_and_each_is_shown() -> None:
    shown = "".join(page.read_text("utf-8") for page in PAGES)
    for picture in (DOCS / "pictures").iterdir():
        assert picture.stat().st_size < 150_000, picture.name
        assert f"pictures/{picture.name})" in shown, picture.name


def test_each_page_has_a_place_in_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    nav = yaml.safe_load(text[text.index("\nnav:") :])["nav"]
    names = re.findall(r"[\w/.-]+\.md", repr(nav))
    assert sorted(names) == sorted(
        str(page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT))
        for page in PAGES
        if page != ROOT / "README.md"
    )


def test_the_site_shows_links_to_code_as_text_and_pages_of_the_root_as_pages() -> None:
    def shown(text: str, place: str) -> str:
        return site_hooks.linked_for_site(text, place)

    assert shown("[files](../deployments/syncs)", "syncs.md") == "files"
    assert shown("[news](../CHANGELOG.md#a)", "syncs.md") == "[news](CHANGELOG.md#a)"
    assert shown("[news](../../CHANGELOG.md)", "decisions/1.md") == "[news](../CHANGELOG.md)"
    assert shown("[lake](docs/lake.md)", "CHANGELOG.md") == "[lake](lake.md)"
    assert (
        shown("[lake](lake.md#a) [x](https://a.b)", "a.md") == "[lake](lake.md#a) [x](https://a.b)"
    )
    assert shown("```\n[a](../flows)\n```\n", "a.md") == "```\n[a](../flows)\n```\n"


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    made = reference.PAGES[name]()
    assert (reference.FOLDER / f"{name}.md").read_text("utf-8") == made, (
        f"run python -m scripts.reference, to write {name}.md again"
    )
