"""A plan on one card: what a person needs to know before approving it, and who may see names."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import NotApprovedError, UsageError
from connectors.settings.installation import load_settings
from tasks.act.asked import ActionAsked
from tasks.act.status import ShownPlan, read_plan_card
from tests.actions import CLEAN_UP, Acting, acting
from tests.commands import called

NAME = "clean_up"
TENANT = "sandbox.eu"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}
QUERY = """devices during past 30d
| list device.collector.uid, device.name, device.operating_system.platform, device.entity
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=15, now=None) as ready:
        ready.query("windows_devices", QUERY)
        ready.specify(NAME, **FOUND, approval="required", expires="2h", reason="<b>tidy</b>")
        yield ready


def shown(name: str = NAME) -> ShownPlan:
    return read_plan_card(load_settings(), TENANT, name)


def test_a_card_says_what_is_done_to_whom_and_who_may_see_names(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def decline(description: str) -> Any:
        said.append(description)
        raise NotApprovedError("no")

    with pytest.raises(NotApprovedError):
        made.run(NAME, approve=decline)
    approved = ActionAsked(who="Ann", why="needed", wait=False)
    made.run(NAME, approved)
    card = dict(shown().card)
    devices = len(made.devices())
    assert card["what"].startswith(f"remote action {CLEAN_UP} “")
    assert card["with"] == "MinimumAgeDays = 30, EmptyRecycleBin = false"
    assert card["on"].startswith(f"{devices} devices: ")
    assert card["platforms"].startswith(f"{devices - 1} Windows; 1 ")
    assert card["entities"].count(";") > 1
    assert "a request expires 2h after it was sent" in card["until"]
    assert card["before"] == "never by this ledger"
    assert "cannot be recalled" in card["cannot be undone"]
    # With the form, and in the page next to the plan: only its owner sees names there.
    (description,) = said
    page = Path(shown().page)
    text = page.read_text("utf-8")
    assert "| platforms |" in description
    assert page.stat().st_mode & 0o777 == 0o600
    assert "&lt;b&gt;tidy&lt;/b&gt;" in text
    assert "<b>" not in text
    for row in shown().rows:
        assert row["name"] in text
        assert row["name"] not in description
    printed = called("act", "show", NAME, "--full", "--json", capsys=capsys)
    answer = json.loads(printed.stdout)
    assert len(answer["rows"]) == devices
    assert sum(answer["card"]["entities"].values()) == devices
    assert "rows" not in json.loads(called("act", "show", NAME, "--json", capsys=capsys).stdout)
    again = called("act", "plan", NAME, capsys=capsys)
    assert f"1 request for {devices} targets by this ledger" in again.stdout
    assert str(page.parent) in again.stderr


@pytest.mark.slow
def test_a_plan_of_an_earlier_release_is_still_sent(made: Acting) -> None:
    planned = made.plan(NAME)
    with sqlite3.connect(made.place.folder / "ledger.db") as ledger:
        ledger.execute("UPDATE action_plans SET summary = json_remove(summary, '$.card')")
    with pytest.raises(UsageError, match="an earlier release"):
        shown()
    approved = ActionAsked(who="Ann", why="needed", wait=False)
    assert made.run(NAME, approved, plan_id=planned["plan_id"])["requested"] > 0
