"""Pages of a site by the rules of axe-core, and by keys alone: light, dark, and as wide as a phone.

axe-core is not a dependency: `npm install --no-save --prefix .venv axe-core@4` puts it where the
test looks for it.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.pictures import landed
from tasks.stories.site import make_site
from tests.browser import Browser, browsing

pytestmark = pytest.mark.slow

AXE: Final = Path(__file__).resolve().parents[3] / ".venv/node_modules/axe-core/axe.min.js"
PAGES: Final = ("index", "datasets/crashes", "datasets/devices", "joins", "questions", "runs",
                "syncs", "actions")  # fmt: skip
PHONE: Final = 375
DESK: Final = 1280


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A site of two days of landing, and one of the same catalogue before anything has landed."""
    folder = tmp_path_factory.mktemp("site")
    names = {"devices", "crashes", "execution_daily", "campaign_responses"}
    made = {"full": folder / "full", "empty": folder / "empty"}
    with landed(folder, days=2, devices=40, datasets=names) as clock:
        make_site(made["full"], clock=clock.now)
    with landed(folder / "bare", days=0, devices=1, datasets=names) as clock:
        make_site(made["empty"], clock=clock.now)
    return made


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path / "profile") as opened:
        yield opened


def shaped(browser: Browser, width: int, scheme: str) -> None:
    """Make the browser as wide as a device, in a scheme of colours."""
    browser("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
            mobile=width == PHONE)  # fmt: skip
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser("Emulation.setEmulatedMedia", features=features)


def violations(browser: Browser, axe: str) -> list[str]:
    """Return what axe finds on the page, each with the first place of it."""
    browser.value(f"{axe}; 0")
    found: list[dict[str, Any]] = browser.value(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => "
        "({id: v.id, html: v.nodes[0].html, why: v.nodes[0].failureSummary})))"
    )
    return [f"{each['id']}: {each['html'][:150]} {each['why'][:200]}" for each in found]


@pytest.mark.parametrize("kind", ["full", "empty"])
def test_no_page_breaks_a_rule_of_axe(browser: Browser, sites: dict[str, Path], kind: str) -> None:
    if not AXE.is_file():
        pytest.skip("AXE-CORE IS NOT INSTALLED, accessibility is NOT TESTED: see this file's head")
    axe = AXE.read_text("utf-8")
    found = []
    for width, scheme in ((DESK, "light"), (PHONE, "light"), (PHONE, "dark")):
        shaped(browser, width, scheme)
        for page in PAGES:
            browser.open((sites[kind] / f"{page}.html").as_uri())
            # What is folded away has rules too.
            browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            found += [f"{page} {width} {scheme}: {each}" for each in violations(browser, axe)]
            wide = browser.value("document.documentElement.scrollWidth - window.innerWidth")
            found += [f"{page} {scheme}: {wide} px wider than the screen"] if wide > 0 else []
    assert found == []


def test_all_can_be_done_by_keys_and_the_focus_shows(
    browser: Browser, sites: dict[str, Path]
) -> None:
    focus = "document.activeElement"
    outlined = f"getComputedStyle({focus}).outlineStyle !== 'none'"
    browser.open((sites["full"] / "index.html").as_uri())
    browser.press("Tab")
    assert browser.value(f"{focus}.className") == "skip"
    assert browser.value(f"{focus}.getBoundingClientRect().height > 15")
    for page in ("index", "datasets/crashes", "questions", "joins"):
        browser.open((sites["full"] / f"{page}.html").as_uri())
        seen = []
        for _ in range(60):
            browser.press("Tab")
            if browser.value(f"{focus} === document.body"):
                break
            assert browser.value(outlined), browser.value(f"{focus}.outerHTML")
            seen.append(browser.value(f"{focus}.getBoundingClientRect().top + window.scrollY"))
        # From the top to the bottom, but for what stands in one line.
        assert all(one <= other + 40 for one, other in pairwise(seen)), page
