"""Reading all actions of a catalogue, and finding what does not fit the rest of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.actions import load_action, load_actions
from connectors.errors import ConfigurationError, UsageError
from tests.landing import CATALOG

PLAIN: dict[str, Any] = {"kind": "campaign", "id": "#ask", "targets": {"query_id": "#users"}}
CONSENT = {
    "kind": "remote_action",
    "id": "#do",
    "run_as": "LOCAL_SYSTEM",
    "targets": {"consent": {"campaign": "ask", "agree": ["yes"]}},
}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """The shipped catalogue without its actions."""
    made = tmp_path / "catalog"
    shutil.copytree(CATALOG, made)
    shutil.rmtree(made / "actions")
    return made


def write(catalog: Path, file: str, **words: Any) -> None:
    (catalog / "actions").mkdir(exist_ok=True)
    text = yaml.safe_dump({"action": file, **words})
    (catalog / "actions" / f"{file}.yaml").write_text(text, "utf-8")


def test_the_shipped_actions_are_valid_and_say_who_acts() -> None:
    actions = load_actions(CATALOG)
    assert {action.scenario for action in actions.values() if action.scenario} == {
        "assisted_service",
        "self_help",
        "self_healing",
        "on_demand_data",
    }
    for action in actions.values():
        # A person who names the targets is responsible for them.
        assert (action.approval == "required") == action.targets.are_named


def test_a_catalogue_without_actions_has_none(catalog: Path) -> None:
    assert load_actions(catalog) == {}
    with pytest.raises(UsageError, match="'ask': the catalogue has none"):
        load_action(catalog, "ask")


def test_all_problems_of_all_files_are_told(catalog: Path) -> None:
    write(catalog, "one", **PLAIN, action="two")
    write(catalog, "three", **PLAIN | {"targets": {"query_id": "#gone"}})
    write(catalog, "users", **PLAIN)
    write(catalog, "hr_users", **PLAIN)
    write(catalog, "four", **PLAIN, lands="nowhere")
    write(catalog, "five", **CONSENT)
    (catalog / "actions" / "six.yaml").write_text("a: [", "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_actions(catalog)
    told = "\n".join(raised.value.problems)
    for problem in (
        "one.yaml: action 'two' is not the file's",
        "three.yaml: no saved query queries/gone.nql",
        "users.yaml: action: users is the name of a dataset too",
        "hr_users.yaml: action: hr_users is the name of a sync too",
        "four.yaml: lands: 'nowhere' is not a dataset of the catalogue",
        "five.yaml: targets.consent.campaign: 'ask' is not a campaign",
        "six.yaml: ",
    ):
        assert problem in told


CHOSEN = {
    "kind": "remote_action",
    "id": "#do",
    "run_as": "LOCAL_SYSTEM",
    "approval": "none",
    "targets": {"answers_to": "ask"},
}


@pytest.mark.parametrize(
    ("asks", "does", "problem"),
    [
        ({"answers": {"Yes": "nowhere"}}, {}, "answers.Yes: 'nowhere' is not a remote action"),
        ({"answers": {"Yes": "ask"}}, {}, "answers.Yes: 'ask' is not a remote action"),
        ({"answers": {"Yes": {"action": "do", "parameters": {"P": "1"}}}}, {}, "no parameters P"),
        ({"answers": {"Yes": "do"}}, {"approval": "required"}, "do needs approval: none"),
        ({"answers": {"Yes": "do"}}, {"targets": {"query_id": "#users"}}, "answers_to: ask"),
        ({"answers": {"No": "do"}, "questions": {"q": ["Yes"]}}, {}, "not among the options"),
        ({"answers": {"Yes": "do", "yes ": "do"}}, {}, "two differ by case or white space"),
        ({"answers": {"Yes": "do"}, "questions": {"q": ["Yes"], "r": ["A"]}}, {}, "question: say"),
        ({"answers": {"Yes": "do"}, "targets": {}}, {}, "answers: need targets.query_id"),
        ({"question": "q"}, {}, "question: needs answers"),
        ({"answers": {"Yes": {"act": "do"}}}, {}, "answers.Yes.action: Field required"),
        ({}, {}, "targets.answers_to: no answer of 'ask' chooses do"),
        ({}, {"answers": {"Yes": "do"}}, "answers: only a campaign has answers"),
        ({"questions": {"q": ["Ja"]}}, CONSENT, "targets.consent.agree: ask has no such option: y"),
    ],
)
def test_answers_are_those_of_the_campaign_and_choose_what_there_is(
    catalog: Path, asks: dict[str, Any], does: dict[str, Any], problem: str
) -> None:
    write(catalog, "ask", **PLAIN | asks)
    write(catalog, "do", **CHOSEN | does)
    with pytest.raises(ConfigurationError) as raised:
        load_actions(catalog)
    assert problem in "\n".join(raised.value.problems)


def test_a_consent_asks_those_whom_a_query_finds(catalog: Path) -> None:
    write(catalog, "ask", kind="campaign", id="#ask")
    write(catalog, "do", **CONSENT)
    with pytest.raises(ConfigurationError, match=r"ask has no targets\.query_id"):
        load_actions(catalog)
    write(catalog, "ask", **PLAIN)
    assert load_action(catalog, "do").targets.consent
