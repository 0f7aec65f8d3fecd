"""Who may run an action: checked before anything is planned, and kept as verified or claimed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import NotAllowedError
from connectors.ledger import Verdict
from tasks.act.asked import ActionAsked
from tasks.act.person import Person, person_here, person_of_form
from tests.actions import Acting, acting
from tests.commands import called

NAME = "clean_up"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}, "limits": {"cool_down": "0s"}}
ACCOUNT = person_here().asker.run_by or ""
GROUP = min(person_here().groups)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=5, now=None) as ready:
        yield ready


def kept(made: Acting) -> list[tuple[str | None, str | None, str | None]]:
    """Return who asked, as the journal has it for plans and for requests."""
    with made.ledger() as ledger:
        rows: list[Any] = [*ledger.action_plans.of(NAME, limit=1)]
        rows += ledger.actions.requests()[-1:]
        return [(row.asked_by, row.asked_how, row.run_by) for row in rows]


def test_it_is_asked_of_the_operating_system_and_kept_as_verified(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    for allow in ([ACCOUNT, "somebody"], [GROUP]):
        made.specify(NAME, **FOUND, allow=allow)
        made.run(NAME)
        assert kept(made) == [(ACCOUNT, "verified", ACCOUNT)] * 2
    planned = called("act", "plan", NAME, capsys=capsys)
    assert "allowed for 1 users or groups; asked for by a verified name" in planned.stderr
    assert "runs on the devices as LOCAL_SYSTEM (the system's own account)" in planned.stderr
    report = json.loads(called("act", "plan", NAME, "--json", capsys=capsys).stdout)
    shown = {name: report[name] for name in ("run_as", "allow", "asked_by", "asked_how")}
    assert list(shown.values()) == ["LOCAL_SYSTEM", [GROUP], ACCOUNT, "verified"]
    raw = made.devices()[:1]
    called("remote-actions", "execute", "get_disk_usage", "--device", *raw, capsys=capsys)
    assert kept(made)[-1] == (ACCOUNT, "verified", ACCOUNT)
    status = called("act", "status", NAME, capsys=capsys)
    assert "asked_how" in status.stdout.splitlines()[0]


def test_others_end_with_4_before_anything_is_asked_of_the_tenant(
    made: Acting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow = [ACCOUNT.upper()]
    made.specify(NAME, **FOUND, allow=allow)
    # What anybody can set says nothing about the user of a process.
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, allow[0])
    for words in (("plan",), ("run",), ("run", "--plan", "p"), ("run", "--dry-run")):
        who = ("--who", allow[0], "--why", "x") if words[0] == "run" else ()
        ended = called("act", words[0], NAME, *words[1:], *who, capsys=capsys)
        assert ended.returncode == 4
        (line,) = ended.stderr.splitlines()
        assert "the user of this process is not among those that allow in its YAML names" in line
        assert line.endswith("nothing was planned or sent")
        assert not {allow[0], ACCOUNT} & set(ended.stderr.replace(":", "").split())
    assert not made.tenant.requests.total()
    with made.ledger() as ledger:
        assert not ledger.action_plans.of(NAME)


def test_a_claim_is_kept_as_one_and_need_not_count(
    made: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.specify(NAME, **FOUND, allow=["Ann"])
    made.run(NAME, ActionAsked(by=person_of_form(" ann ")))
    assert kept(made) == [("ann", "claimed", ACCOUNT)] * 2
    for name in (None, " ", "Ben", ACCOUNT, GROUP):
        with pytest.raises(NotAllowedError):
            made.plan(NAME, ActionAsked(by=person_of_form(name)))
    monkeypatch.setenv("NXP_SUBJECT", "Ann")
    made.run(NAME)
    assert kept(made) == [("Ann", "claimed", ACCOUNT)] * 2
    made.specify(NAME, **FOUND, allow=["Ann", ACCOUNT], allow_claimed=False)
    with pytest.raises(NotAllowedError, match="nothing verifies who asks"):
        made.run(NAME)
    monkeypatch.delenv("NXP_SUBJECT")
    made.run(NAME)
    assert kept(made)[-1] == (ACCOUNT, "verified", ACCOUNT)


def test_a_name_that_the_approval_gives_has_to_be_allowed_too(made: Acting) -> None:
    made.specify(NAME, **FOUND, allow=["Ann"], approval="required")
    unnamed: Person = person_of_form(None)

    def ask(name: str) -> dict[str, Any]:
        asked = ActionAsked(by=unnamed)
        return made.run(NAME, asked, approve=lambda _: Verdict(name, "needed"))

    with pytest.raises(NotAllowedError, match="the claimed name is not among those"):
        ask("Ben")
    assert not made.done()
    ask("Ann")
    assert made.done()
    assert kept(made) == [(None, None, ACCOUNT), ("Ann", "claimed", ACCOUNT)]


def test_an_action_without_the_key_is_for_everybody(made: Acting) -> None:
    made.specify(NAME, **FOUND)
    made.run(NAME, ActionAsked(by=person_of_form(None)))
    assert kept(made) == [(None, None, ACCOUNT)] * 2
