"""Actions as a user runs them: `nxp act` on a real Prefect server, without showing any data."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.actions import CERTAIN, Acting, acting
from tests.commands import called, environment
from tests.prefect import MARK, Result, answer, begin, described, end, unmarked, waiting_run

NAME = "clean_up"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=20, now=None, acting=CERTAIN) as ready:
        yield ready


@pytest.fixture
def env(made: Acting, prefect_server: str) -> dict[str, str]:
    return environment(made.place, PREFECT_API_URL=prefect_server)


def test_a_plan_is_made_approved_run_and_looked_at(
    made: Acting,
    env: dict[str, str],
    prefect_server: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say(*words: str) -> Result:
        return called(*words, capsys=capsys)

    made.specify(NAME, **FOUND, approval="required")
    everybody = len(made.devices())
    planned = end(begin(env, "act", "plan", NAME, "--ticket", "INC1"))
    assert planned.returncode == 0, planned.stderr
    assert f"{everybody} candidates, {everybody} targets in 1 request" in planned.stderr
    early = end(begin(env, "act", "run", NAME))
    assert early.returncode == 8
    assert f"nxp act approve {NAME} --plan" in early.stderr.splitlines()[-1]
    approved = say("act", "approve", NAME, "--who", "Ann", "--why", "needed")
    assert approved.returncode == 0, approved.stderr
    # It shows what to type next.
    words = approved.stderr.splitlines()[-1].split()[1:]
    ran = end(begin(env, *words, "--json"))
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["state"], report["approved_by"]) == ("done", "Ann")
    assert report["outcomes"] == {"success": everybody}
    shown = say("act", "status", NAME)
    assert f'{{"success": {everybody}}}' in shown.stdout
    rows = json.loads(say("act", "status", NAME, "--targets", "--json").stdout)
    assert len(rows) == everybody
    listed = json.loads(say("act", "status", "--json").stdout)
    assert [row["state"] for row in listed] == ["requested"]
    runs = json.loads(say("runs", NAME, "--json").stdout)
    assert [run["state"] for run in runs] == ["done", "planned", "planned"]
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json={"limit": 200}).json()
    (shown,) = (each["data"] for each in artifacts if report["run_id"] in str(each["data"]))
    assert f"{everybody} targets: {everybody} requested, 0 refused" in shown
    assert f"| success | {everybody} |" in shown


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("act", "run", "nope"), 2, "unknown action 'nope': the catalogue has"),
        (("act", "run", NAME, "--who", "Ann"), 2, "who and why go together"),
        (("act", "run", NAME, "--plan", "p", "-p", "a=b"), 2, "leave them out"),
        (("act", "plan", NAME, "--device", "a", "--targets", "f"), 2, "not both"),
        (("act", "approve", NAME, "--who", " ", "--why", "x"), 2, "must not be empty"),
        (("act", "approve", NAME, "--who", "a", "--why", "x"), 2, "has no such plan"),
        (("act", "status", "nope"), 2, "unknown action 'nope'"),
        (("act", "status", "--targets"), 2, "need the name of an ACTION"),
        (("act", "resolve", "x", "--as", "sent", "--why", "y"), 2, "there is no request x"),
        (("act", "resolve", "x", "--as", "maybe", "--why", "y"), 2, "sent"),
    ],
)
def test_wrong_words_are_one_line_before_anything_is_begun(
    made: Acting,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    made.specify(NAME, **FOUND)
    ended = called(*words, capsys=capsys)
    assert ended.returncode == code
    assert len(ended.stderr.splitlines()) == 1
    assert message in ended.stderr


@pytest.mark.slow
def test_a_device_in_its_cool_down_is_said_with_its_end(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = made.tenant.frame("#action_devices").to_dicts()
    device = next(each for each in devices if each["device.operating_system.platform"] == "Windows")
    who = ("--who", "Ann", "--why", "asked", "-p", "ServiceName=Spooler", "--no-prefect")
    words = ("act", "run", "restart_service", "--device", device["device.collector.uid"], *who)
    first = called(*words, "--no-wait", capsys=capsys)
    assert "1 requested" in first.stderr
    assert "--no-wait" not in first.stderr
    again = called(*words, "--json", capsys=capsys)
    assert (again.returncode, json.loads(again.stdout)["state"]) == (7, "done")
    until = r"nothing done: cool-down until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.search(until, again.stderr)
    assert "waits up to 10min for outcomes: --no-wait does not wait" in again.stderr
    nobody = called("act", "run", "restart_service", "--device", "nobody", *who, capsys=capsys)
    assert (nobody.returncode, "nothing done: 1 unknown" in nobody.stderr) == (7, True)


def test_a_hash_of_few_characters_is_not_enough(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    device = made.tenant.frame("#action_devices")["device.collector.uid"][0]
    words = ("--device", device, "-p", "ServiceName=Spooler", "--no-prefect", "--json")
    plan = json.loads(called("act", "plan", "restart_service", *words, capsys=capsys).stdout)
    run = ("act", "run", "restart_service", "--plan", plan["plan_id"], "--no-prefect", "--hash")
    short = called(*run, plan["sha256"][:7], capsys=capsys)
    assert (short.returncode, "at least 8 of its characters" in short.stderr) == (2, True)
    assert "waits for a person" in called(*run, plan["sha256"][:8], capsys=capsys).stderr


def test_nobodys_data_is_in_sight(
    made: Acting, env: dict[str, str], tmp_path: Path, prefect_home: Path
) -> None:
    """A file names people, by marked names that nobody has, and by real SIDs."""
    made.specify(
        "ask", kind="campaign", id="#disk_clean_up_consent", parameters={"free_space": "1 GB"}
    )
    sids = [sid for sid in made.tenant.frame("#action_users")["user.sid"] if sid][:5]
    file = tmp_path / "private" / "people.txt"
    file.parent.mkdir()
    file.write_text("\n".join([*sids, f"{MARK}@example.com"]), "utf-8")
    ran = end(begin(env, "act", "run", "ask", "--targets", str(file)))
    assert ran.returncode == 0, ran.stderr
    assert set(made.done()) == set(sids)
    unmarked(made.place.folder, "private", "_plans")
    unmarked(prefect_home)
    private = ("ledger.db", "_plans", "_changes", "private", "catalog")
    for folder, but in ((made.place.folder, private), (prefect_home, ())):
        for path in folder.rglob("*"):
            if path.is_file() and not any(part in str(path) for part in but):
                content = path.read_bytes()
                assert not [sid for sid in sids if sid.encode() in content], path


def test_an_action_waits_for_its_approval_with_a_ticket(
    made: Acting, env: dict[str, str], prefect_server: str
) -> None:
    made.specify(NAME, **FOUND, approval="required")
    process = begin(env, "act", "run", NAME, "--approve")
    run = waiting_run(prefect_server, NAME)
    assert f"{len(made.devices())} targets in 1 request" in described(prefect_server, run)
    assert not made.tenant.actions.requests
    answer(prefect_server, run, approved=True, who="Ann", why="asked for", ticket="INC7")
    ended = end(process)
    assert ended.returncode == 0, ended.stderr
    (request,) = made.tenant.actions.requests
    assert request.reference == "INC7"


@pytest.mark.parametrize(
    "form",
    [{"approved": False}, {"approved": True, "who": " ", "why": "asked for"}],
    ids=["declined", "without a name"],
)
def test_an_action_that_is_not_approved_is_cancelled_and_8(
    made: Acting, env: dict[str, str], prefect_server: str, form: dict[str, Any]
) -> None:
    made.specify(NAME, **FOUND, approval="required")
    process = begin(env, "act", "run", NAME, "--approve")
    run = waiting_run(prefect_server, NAME)
    answer(prefect_server, run, **form)
    ended = end(process)
    assert ended.returncode == 8
    assert "nothing was sent" in ended.stderr.splitlines()[-1]
    assert not made.tenant.actions.requests
    state = httpx.get(f"{prefect_server}/flow_runs/{run['id']}").json()["state"]
    assert state["type"] == "CANCELLED"


def test_data_on_demand_lands_with_the_run(made: Acting, env: dict[str, str]) -> None:
    ran = end(begin(env, "act", "run", "startup_report", "--json"))
    assert ran.returncode == 0, ran.stderr
    found = made.place.landed("startup_reports")
    assert found.height == json.loads(ran.stdout)["outcomes"]["success"]


def test_a_stopped_run_leaves_what_it_was_sending_in_doubt(
    made: Acting, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made.specify(NAME, **FOUND, limits={"per_minute": 5})
    process = begin(env, "act", "run", NAME)
    deadline = time.monotonic() + 120
    while not made.tenant.actions.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.terminate()
    stopped = end(process)
    assert stopped.returncode == 143
    listed = json.loads(called("act", "status", "--json", capsys=capsys).stdout)
    assert {row["state"] for row in listed} == {"requested", "intent"}
    assert len(made.done()) == 5


def test_check_tells_the_problems_of_actions_with_all_others(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> list[str]:
        actions: list[str] = json.loads(called("check", "--json", capsys=capsys).stdout)["actions"]
        return actions

    made.specify(NAME, **FOUND)
    assert {NAME, "restart_service"} <= set(listed())
    made.specify(NAME, targets={"query_id": "#nowhere"}, limits={"targets": 0})
    made.specify("other", targets={"query_id": "#nowhere"})
    catalog = Path(made.place.environment["NXP_CATALOG"])
    (catalog / "datasets" / "things.yaml").write_text("dataset: things\nmode: weekly\n", "utf-8")
    ended = called("check", capsys=capsys)
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1
    for problem in (
        f"{NAME}.yaml: limits.targets",
        "other.yaml: no saved query queries/nowhere.nql",
        "things.yaml: mode",
    ):
        assert ended.stderr.count(problem) == 1, ended.stderr


def test_runs_are_those_of_an_action_too(made: Acting, capsys: pytest.CaptureFixture[str]) -> None:
    made.specify(NAME, **FOUND)
    made.run(NAME)
    (row,) = json.loads(called("runs", NAME, "--json", capsys=capsys).stdout)
    assert (row["dataset"], row["state"]) == (NAME, "done")
    assert json.loads(called("runs", "restart_service", "--json", capsys=capsys).stdout) == []
    assert called("runs", "nope", capsys=capsys).returncode == 2


def test_what_to_paste_into_nexthink_is_printed(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = called("nql", "queries", capsys=capsys).stdout
    texts = json.loads(called("nql", "queries", "--json", capsys=capsys).stdout)
    catalog = Path(made.place.environment["NXP_CATALOG"])
    assert set(texts) == {f"#{path.stem}" for path in (catalog / "queries").iterdir()}
    assert all(query_id in listed for query_id in texts)
    for name in ("action_devices", "#action_devices"):
        printed = called("nql", "queries", name, capsys=capsys).stdout
        assert printed.strip() == texts["#action_devices"].strip()
    unknown = called("nql", "queries", "nope", capsys=capsys)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "the catalogue has no saved query #nope" in unknown.stderr
