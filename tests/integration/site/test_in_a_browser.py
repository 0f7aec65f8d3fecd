"""A site as a person uses it: copied elsewhere, opened in Chromium, without a network."""

import os
from pathlib import Path

import pytest

from benchmarks.site import measure, synthetic
from tasks.stories.site import make_site
from tests.browser import browsing
from tests.landing import Place

pytestmark = pytest.mark.slow


def test_search_open_and_copy_from_a_copied_folder(here: Place, tmp_path: Path) -> None:
    here.land(here.plan("devices"))
    make_site(tmp_path / "site", clock=here.clock())
    copied = tmp_path / "a copy, elsewhere"
    (tmp_path / "site").rename(copied)

    with browsing(tmp_path / "profile") as browser:
        browser.open(f"{copied.as_uri()}/index.html")
        browser.press("/", *"zebra")
        assert browser.value("document.querySelector('#hits').textContent").startswith("Nothing")
        browser.press("Escape", *"collector version")
        first = browser.value("document.querySelector('#found a').textContent")
        assert first.startswith("devices.collector_version")
        # The page that Enter opens.
        place = browser.value("document.querySelector('#found a').href")
        assert place.endswith("datasets/devices.html#c-collector_version")

        browser.open(place)
        shown = "document.querySelector('tr:target code').textContent"
        assert browser.value(shown) == "collector_version"
        code = browser.value("document.querySelector('.code code').textContent")
        browser.value("document.querySelector('button.copy').focus()")
        browser.press("Enter")
        pasted = "new Promise(done => setTimeout(() => done(navigator.clipboard.readText()), 300))"
        browser("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        assert browser.value(pasted) == code
        assert browser.value("document.querySelector('#said').textContent") == "Copied"
        for page in ("joins", "runs", "syncs", "actions"):
            browser.open(f"{copied.as_uri()}/{page}.html")
            wide = "document.documentElement.scrollWidth <= window.innerWidth"
            assert browser.value(wide), page
        assert browser.problems == []


def test_two_hundred_datasets_of_a_year_take_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in synthetic(tmp_path, 200, 365).items():
        monkeypatch.setenv(name, value)
    before = os.times()
    seconds, made = measure(tmp_path, 200, 365)
    after = os.times()
    assert made.pages == 206
    used = after.user + after.system - before.user - before.system
    # 12 s of CPU on two cores that others use too; minutes would be a loop over loops.
    assert used < 40, seconds
