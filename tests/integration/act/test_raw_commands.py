"""`nxp remote-actions`, `workflows` and `campaigns` as a person runs them, on the sandbox."""

import io
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.ledger import Ledger, open_ledger
from connectors.ledger.action_requests import RequestState
from sandbox.actions.options import ActingOptions
from sandbox.actions.store import AcceptedRequest
from tasks.act.run import take_action
from tests.acting import Client
from tests.commands import called, environment
from tests.landing import CATALOG, Place, catalogue, place

DEVICE = "11111111-2222-3333-4444-{:012x}"
SID = "S-1-5-21-111-222-333-{}"
AT_ONCE = ActingOptions(visibility_delay=0)
DISK = "#get_disk_usage"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("tenant"), acting=AT_ONCE) as made:
        yield made


@pytest.fixture
def here(served: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Yield the tenant, with a ledger of the test's own."""
    values = dict(served.environment) | {"NXP_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.db'}"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Place(served.tenant, tmp_path, values)


@pytest.fixture
def nxp(here: Place, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Run:
    """Run a command; return exit code, stdout, and stderr, which must not hold any SID."""
    caplog.set_level("DEBUG")

    def run(*words: str) -> tuple[int, str, str]:
        done = called(*words, capsys=capsys)
        logged = "\n".join(record.getMessage() for record in caplog.records)
        assert "S-1-5" not in done.stderr + logged
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    assert here
    return run


@pytest.fixture
def ledger(here: Place) -> Iterator[Ledger]:
    opened = open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu")
    yield opened
    opened.close()


@pytest.fixture
def people(here: Place) -> list[str]:
    with Client(here.tenant) as client:
        return [row["user.sid"] for row in client.users()]


def asked(here: Place, action: str) -> list[AcceptedRequest]:
    return [each for each in here.tenant.actions.requests if each.nql_id == action]


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def last(here: Place) -> AcceptedRequest:
    return here.tenant.actions.requests[-1]


def listed(path: Path, names: list[str]) -> str:
    path.write_text("\n".join(names))
    return str(path)


# Lists and details ----------------------------------------------------------------------------


def test_remote_actions_are_listed_by_filters(nxp: Run) -> None:
    code, out, err = nxp("remote-actions", "list")
    assert code == 0
    assert DISK in out
    assert "remote actions" in err

    def ids(*filters: str) -> set[str]:
        _, out, _ = nxp("remote-actions", "list", *filters, "--json")
        return {each["id"] for each in json.loads(out)}

    everything = ids()
    assert ids("--api-enabled") | ids("--no-api-enabled") == everything
    assert ids("--no-api-enabled") == {"#restart_device", "#collect_diagnostics"}
    assert ids("--no-windows") == {"#flush_dns_cache"}
    assert "#flush_dns_cache" in ids("--macos", "--purpose", "REMEDIATION")
    assert DISK not in ids("--purpose", "REMEDIATION")


def test_a_remote_action_is_shown(nxp: Run) -> None:
    code, out, _ = nxp("remote-actions", "show", "set_service_start_type")
    assert code == 0
    assert "Automatic, Manual, Disabled" in out
    _, out, _ = nxp("remote-actions", "show", "#set_service_start_type", "--json")
    assert json.loads(out)["script"]["run_as"] == "LOCAL_SYSTEM"
    code, out, err = nxp("remote-actions", "show", "#nowhere")
    assert (code, out) == (2, "")
    assert "no remote action #nowhere" in err


def test_workflows_are_listed_and_shown(nxp: Run) -> None:
    _, out, _ = nxp("workflows", "list", "--dependency", "USER_AND_DEVICE", "--json")
    assert [each["id"] for each in json.loads(out)] == ["#vpn_repair"]
    _, out, _ = nxp("workflows", "list", "--active", "--trigger-method", "API")
    assert "#old_onboarding" not in out
    _, out, _ = nxp("workflows", "show", "vpn_repair", "--json")
    shown = json.loads(out)
    assert shown["about"] == "USER_AND_DEVICE"
    assert json.loads(nxp("workflows", "show", shown["uuid"], "--json")[1]) == shown
    assert nxp("workflows", "show", str(uuid.uuid4()))[0] == 2


# Acting ---------------------------------------------------------------------------------------


def test_a_remote_action_is_run_and_journalled(nxp: Run, here: Place, ledger: Ledger) -> None:
    one = DEVICE.format(1)
    code, out, err = nxp(
        "remote-actions",
        "execute",
        "get_disk_usage",
        "--device",
        one,
        "--device",
        one.upper(),
        "--expires",
        "60",
        "--reason",
        "it is full",
        "--reference",
        "INC-1",
        "--source",
        "desk",
        "--json",
    )
    assert code == 0, err
    told = json.loads(out)
    (request,) = told["requests"]
    assert (told["targets"], told["duplicates"], request["state"]) == (1, 1, "requested")
    assert request["expires_in_minutes"] == 60
    sent = last(here)
    assert sent.id == request["request_id"]
    assert sent.reason == f"nxp:{request['intent_id']} it is full"
    assert (sent.reference, sent.source) == ("INC-1", "desk")
    record = ledger.actions.get(request["intent_id"])
    assert record is not None
    assert (record.state, record.request_id) == ("requested", sent.id)
    assert ledger.actions.targets(intent_id=record.intent_id)["target"].to_list() == [one]
    code, out, err = nxp("remote-actions", "execute", DISK, "--device", one)
    assert code == 0
    assert "requested" in out
    assert "nxp remote-actions executions '#get_disk_usage'" in err


def test_targets_come_from_a_file_or_stdin(
    nxp: Run, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [DEVICE.format(each) for each in (0xA, 0xB, 0xC)]
    text = "\r\n".join(["", names[0], f"  {names[1]} ", names[0].upper(), "", names[2]])
    for encoding in ("utf-8-sig", "utf-8", "utf-16"):
        (tmp_path / "devices.txt").write_bytes(text.encode(encoding))
        code, out, _ = nxp(
            "remote-actions", "execute", DISK, "--devices", str(tmp_path / "devices.txt"), "--json"
        )
        assert code == 0
        assert json.loads(out)["duplicates"] == 1
        assert [each.device for each in last(here).executions] == names
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(names[2].encode())))
    code, _, _ = nxp("remote-actions", "execute", DISK, "--devices", "-")
    assert (code, [each.device for each in last(here).executions]) == (0, [names[2]])


def test_more_targets_than_fit_are_divided_and_none_is_dropped(
    nxp: Run, here: Place, tmp_path: Path, ledger: Ledger
) -> None:
    names = [DEVICE.format(each) for each in range(28_000)]
    file = listed(tmp_path / "devices.txt", names)
    before = len(asked(here, DISK))
    code, out, _ = nxp("remote-actions", "execute", DISK, "--devices", file, "--json")
    assert code == 0
    told = json.loads(out)
    assert [each["targets"] for each in told["requests"]] == [10_000, 10_000, 8_000]
    sent = asked(here, DISK)[before:]
    assert [each.device for request in sent for each in request.executions] == names
    assert {each.state for each in ledger.actions.requests()} == {"requested"}


BAD: list[tuple[tuple[str, ...], str]] = [
    (("remote-actions", "execute", DISK), "there are no devices"),
    (("remote-actions", "execute", DISK, "--device", "pc-1"), "devices[0] is not a collector id"),
    (("remote-actions", "execute", DISK, "--device", ""), "no target is named"),
    (("remote-actions", "execute", DISK, "--devices", "/nowhere"), "No such file"),
    (("remote-actions", "execute", "S-1-5-21", "--device", DEVICE.format(1)), "is not #"),
    (
        ("remote-actions", "execute", DISK, "--device", DEVICE.format(1), "--expires", "59"),
        "59 minutes",
    ),
    (
        ("remote-actions", "execute", DISK, "--device", DEVICE.format(1), "--reason", "r" * 460),
        "only 459 fit",
    ),
    (("remote-actions", "execute", DISK, "--device", DEVICE.format(1), "-p", "a"), "key=value"),
    (("workflows", "trigger", "#leaver_checks", "--user", "S-1-5-x"), "users[0] is not a SID"),
    (
        ("workflows", "trigger", "#leaver_checks", "--by-id", "--user", "S-1-5-21"),
        "user 0 is not one of sid=, upn=, uid=",
    ),
    (("workflows", "trigger", "#w", "--devices", "-", "--users", "-"), "stdin"),
    (("workflows", "resume", "#nowhere", DEVICE.format(1)), "no workflow #nowhere"),
    (("workflows", "resume", DEVICE.format(1), "now"), "execution[0] is not a UUID"),
    (("campaigns", "trigger", "#device_feedback"), "there are no users"),
    (("campaigns", "trigger", "#device_feedback", "--sids", "S-1-5-x"), "users[0] is not a SID"),
    (
        ("campaigns", "trigger", "#device_feedback", "--sids", SID.format(1), "--expires", "0"),
        "0 minutes",
    ),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_what_is_wrong_is_2_and_nothing_is_sent_or_journalled(
    nxp: Run, here: Place, ledger: Ledger, words: tuple[str, ...], told: str
) -> None:
    before = len(here.tenant.actions.requests)
    code, out, err = nxp(*words)
    assert (code, out) == (2, ""), err
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert len(here.tenant.actions.requests) == before
    assert ledger.actions.requests() == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("remote-actions", "execute", "#nowhere", "--device", DEVICE.format(1)),
            "REMOTE_ACTION_NOT_FOUND",
        ),
        (
            ("remote-actions", "execute", "#restart_device", "--device", DEVICE.format(1)),
            "REMOTE_ACTION_NOT_API_ENABLED",
        ),
        (
            ("remote-actions", "execute", DISK, "--device", DEVICE.format(1), "-p", "Colour=red"),
            "INVALID_PARAMETERS",
        ),
        (("workflows", "trigger", "#old_onboarding"), "WORKFLOW_NOT_ACTIVE"),
        (
            ("campaigns", "trigger", "#yearly_survey", "--sids", SID.format(1)),
            "INVALID_CAMPAIGN_TRIGGER_TYPE",
        ),
        (
            ("workflows", "resume", "vpn_repair", DEVICE.format(1)),
            "EXECUTION_NOT_WAITING",
        ),
    ],
)
def test_what_the_tenant_refuses_is_6_with_its_code(
    nxp: Run, ledger: Ledger, words: tuple[str, ...], told: str
) -> None:
    code, out, err = nxp(*words)
    assert code == 6, err
    assert told in err
    assert told in out
    (record,) = ledger.actions.requests()
    assert (record.state, record.code) == ("refused", told)


def test_a_workflow_is_triggered_by_either_kind_of_names(
    nxp: Run, here: Place, tmp_path: Path
) -> None:
    with Client(here.tenant) as client:
        device = client.devices()[0]
        user = next(each for each in client.users() if "@" in (each["user.upn"] or ""))
    keys = ("--device", device["device.collector.uid"], "--user", user["user.sid"])
    code, out, err = nxp("workflows", "trigger", "vpn_repair", *keys, "--source", "desk", "--json")
    assert code == 0, err
    sent = last(here)
    (request,) = json.loads(out)["requests"]
    assert request["execution_ids"] == [each.id for each in sent.executions]
    assert sent.source == "desk"
    file = listed(tmp_path / "users.txt", [f"upn={user['user.upn']}"])
    names = ("--device", f"uid={device['device.uid']}", "--users", file)
    code, out, err = nxp("workflows", "trigger", "vpn_repair", "--by-id", *names)
    assert code == 0, err
    assert user["user.upn"] not in out + err
    (found,) = last(here).executions
    assert (found.device, found.user) == (device["device.collector.uid"], user["user.sid"])


def test_many_targets_of_a_workflow_are_divided_only_where_that_is_the_same(
    nxp: Run, here: Place, tmp_path: Path
) -> None:
    devices = listed(tmp_path / "devices", [DEVICE.format(each) for each in range(10_001)])
    disk = ("workflows", "trigger", "#disk_space_relief", "--devices", devices)
    assert nxp(*disk, "-p", "threshold_gb=5")[0] == 0
    assert [len(each.executions) for each in asked(here, "#disk_space_relief")] == [10_000, 1]
    for more in ((), ("--user", SID.format(1))):
        code, _, err = nxp("workflows", "trigger", "#vpn_repair", "--devices", devices, *more)
        assert code == 2
        assert "may not be split" in err


def test_a_waiting_execution_is_told_to_go_on(nxp: Run, here: Place, ledger: Ledger) -> None:
    target = ("--device", DEVICE.format(1), "-p", "ticket=INC-1")
    _, out, _ = nxp("workflows", "trigger", "#device_replacement", *target, "--json")
    (execution,) = json.loads(out)["requests"][0]["execution_ids"]
    code, out, err = nxp("workflows", "resume", "device_replacement", execution, "-p", "a=b")
    assert code == 0, err
    assert (last(here).kind, last(here).parameters) == ("event", {"a": "b"})
    assert ledger.actions.requests()[-1].kind == "workflow_event"


def test_a_campaign_goes_to_those_that_the_tenant_knows(
    nxp: Run, here: Place, people: list[str], ledger: Ledger
) -> None:
    stranger = SID.format(99)
    words = ("campaigns", "trigger", "device_feedback", "--expires", "60")
    code, out, err = nxp(*words, "--sids", f"{people[0]},{stranger},{people[1]},{people[0]}")
    assert code == 7
    assert "2 of 3 targets were taken, 1 refused" in err
    assert "named more than once" in err
    assert "S-1-5" not in out
    _, out, _ = nxp(*words, "--sids", f"{people[0]},{stranger}", "--json")
    (request,) = json.loads(out)["requests"]
    taken, refused = request["users"]
    assert (taken["position"], taken["message"]) == (0, None)
    assert taken["request_id"] == last(here).id
    assert (refused["position"], refused["request_id"]) == (1, None)
    assert refused["message"] == "There is no user of this SID."
    targets = ledger.actions.targets(intent_id=request["intent_id"]).sort("target")
    known = dict(zip(targets["target"], targets["code"], strict=True))
    assert known == {people[0]: None, stranger: "refused"}
    code, out, err = nxp(*words, "--sids", stranger)
    assert code == 6
    assert "refuses all 1 targets" in err


# At most once ---------------------------------------------------------------------------------

EXECUTE = ("remote-actions", "execute", DISK, "--device", DEVICE.format(7))


def fault(here: Place, text: str) -> None:
    here.tenant.faults.add(text)


def test_a_lost_answer_holds_its_targets_until_a_person_says_what_it_was(
    nxp: Run, here: Place, ledger: Ledger
) -> None:
    before = len(asked(here, DISK))
    fault(here, "500@act:1")
    code, out, err = nxp(*EXECUTE)
    assert code == 5
    assert "may have been done" in err
    (record,) = ledger.actions.requests()
    assert record.state == "unknown"
    assert record.intent_id in err
    assert "unknown" in out
    code, out, err = nxp(*EXECUTE)
    assert (code, out) == (8, "")
    assert "nxp act resolve" in err
    # Other targets are free, and so is another action.
    assert nxp("remote-actions", "execute", DISK, "--device", DEVICE.format(8))[0] == 0
    assert nxp("remote-actions", "execute", "#repair_office", *EXECUTE[3:])[0] == 0
    resolved = ("act", "resolve", record.intent_id, "--as", "not-sent", "--why", "looked into it")
    assert nxp(*resolved)[0] == 0
    assert nxp(*EXECUTE)[0] == 0
    # The request with the fault was not done, so there are two in all.
    assert len(asked(here, DISK)) - before == 2


@pytest.mark.parametrize(("given", "exit_code"), [("429-seconds@act:1", 5), ("403@act:1", 4)])
def test_what_was_not_done_holds_nobody(
    nxp: Run, here: Place, ledger: Ledger, given: str, exit_code: int
) -> None:
    fault(here, given)
    code, out, _ = nxp(*EXECUTE)
    assert code == exit_code
    (record,) = ledger.actions.requests()
    assert record.state == RequestState.NOT_SENT.value
    assert "not_sent" in out
    assert nxp(*EXECUTE)[0] == 0


def test_what_was_done_without_an_answer_is_not_done_twice(
    nxp: Run, here: Place, ledger: Ledger
) -> None:
    before = len(asked(here, DISK))
    fault(here, "timeout-after@act:1")
    assert nxp(*EXECUTE)[0] == 5
    assert nxp(*EXECUTE)[0] == 8
    assert len(asked(here, DISK)) - before == 1
    assert [each.state for each in ledger.actions.requests()] == ["unknown"]


def test_killed_while_sending_it_holds_what_was_sent_and_nothing_else(
    nxp: Run, here: Place, tmp_path: Path, ledger: Ledger
) -> None:
    names = [DEVICE.format(each) for each in range(20_000)]
    file = listed(tmp_path / "devices.txt", names)
    before = len(asked(here, DISK))
    fault(here, "timeout-after@act:1")
    here.tenant.faults.delay = 30
    words = [sys.executable, "-m", "nxp", *EXECUTE[:3], "--devices", file]
    env = environment(here, PYTHONPATH=str(CATALOG.parent))
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        until(lambda: len(asked(here, DISK)) > before)
        run.kill()
    here.tenant.faults.delay = 0
    assert [each.state for each in ledger.actions.requests()] == ["sending", "intent"]
    # The first ten thousand may have been done, the others certainly were not.
    code, _, err = nxp(*EXECUTE[:3], "--device", names[0])
    assert code == 8
    assert "nxp act resolve" in err
    assert nxp(*EXECUTE[:3], "--device", names[-1])[0] == 0
    assert [each.state for each in ledger.actions.requests()][:2] == ["unknown", "not_sent"]
    assert len(asked(here, DISK)) - before == 2


def test_what_another_run_is_sending_is_held(nxp: Run, here: Place, ledger: Ledger) -> None:
    before = len(asked(here, DISK))
    with take_action(ledger, ("remote_action", DISK), "other"):
        code, out, err = nxp(*EXECUTE)
    assert (code, out) == (8, "")
    assert "is held by run other" in err
    assert len(asked(here, DISK)) == before


# Reading back ---------------------------------------------------------------------------------


def test_executions_are_read_back(nxp: Run, here: Place) -> None:
    with Client(here.tenant) as client:
        devices = [row["device.collector.uid"] for row in client.devices()][:3]
    named = [word for each in devices for word in ("--device", each)]
    _, out, _ = nxp("remote-actions", "execute", "#get_battery_status", *named, "--json")
    (request,) = json.loads(out)["requests"]
    words = ("remote-actions", "executions", "get_battery_status", "--since", "2026-11-19")
    code, out, err = nxp(*words, "--json")
    assert code == 0, err
    rows = json.loads(out)
    assert {row["remote_action.execution.request_id"] for row in rows} == {request["request_id"]}
    assert sorted(row["device.collector.uid"] for row in rows) == sorted(devices)
    code, out, err = nxp(*words)
    assert code == 0
    assert "3 rows; --wide prints all columns" in err
    assert out.splitlines()[0].split() == ["requested", "device", "status", "details"]
    assert nxp("remote-actions", "executions", "repair_office", "--since", "2026-11-19")[0] == 0


def test_workflows_and_responses_are_read_back(nxp: Run, here: Place, people: list[str]) -> None:
    nxp("workflows", "trigger", "#leaver_checks", "--user", people[0])
    words = ("executions", "#leaver_checks", "--since", "2026-11-19", "--json")
    (row,) = json.loads(nxp("workflows", *words)[1])
    assert row["user.sid"] == people[0]
    assert row["workflow.execution.execution_id"] == last(here).executions[0].id
    assert row["workflow.name"] == "Leaver checks"
    # Its UUID, which resuming an execution needs, names it as well.
    by_uuid = ("executions", row["workflow.uuid"], *words[2:])
    assert json.loads(nxp("workflows", *by_uuid)[1]) == [row]
    _, sent, _ = nxp("campaigns", "trigger", "#device_feedback", "--sids", people[5], "--json")
    request_id = json.loads(sent)["requests"][0]["users"][0]["request_id"]
    words = ("responses", "device_feedback", "--since", "2026-11-19", "--json")
    rows = json.loads(nxp("campaigns", *words)[1])
    found = {row["campaign.response.request_id"]: row["user.sid"] for row in rows}
    assert found[request_id] == people[5]


def test_a_time_out_of_reach_is_2(nxp: Run) -> None:
    words = ("remote-actions", "executions", DISK, "--since")
    for since, told in (("2026-01-01", "at most 30 days ago"), ("soon", "is not a date")):
        code, out, err = nxp(*words, since)
        assert (code, out) == (2, "")
        assert told in err


def test_what_the_tenant_cuts_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with place(tmp_path, row_limit=2, acting=AT_ONCE) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        with Client(made.tenant) as client:
            devices = [row["device.collector.uid"] for row in client.devices()][:3]
        named = [word for each in devices for word in ("--device", each)]
        assert called("remote-actions", "execute", DISK, *named, capsys=capsys).returncode == 0
        words = ("remote-actions", "executions", DISK, "--since", "2026-11-19")
        done = called(*words, capsys=capsys)
    assert (done.returncode, done.stdout) == (6, "")
    assert "a later since" in done.stderr


# What is answered -----------------------------------------------------------------------------


def test_a_campaign_that_reaches_nobody_is_seen_as_such(nxp: Run, ledger: Ledger) -> None:
    words = ("campaigns", "trigger", "device_feedback", "--sids", SID.format(98))
    code, out, err = nxp(*words, "--json")
    told = json.loads(out)
    assert (code, told["state"], told["reached"], told["refused"]) == (6, "refused", 0, 1)
    assert "nobody was reached" in err
    (entry,) = told["entries"]
    assert entry["user"] == {"sid": SID.format(98)}
    assert (entry["state"], entry["message"]) == ("refused", "There is no user of this SID.")
    (record,) = ledger.actions.requests()
    assert (record.state, record.code) == ("refused", "refused")
    (target,) = ledger.actions.targets(intent_id=record.intent_id).to_dicts()
    assert (target["code"], target["details"]) == ("refused", "There is no user of this SID.")


def test_outcomes_are_awaited_and_what_is_not_done_is_7(
    nxp: Run, here: Place, ledger: Ledger
) -> None:
    with Client(here.tenant) as client:
        devices = [row["device.collector.uid"] for row in client.devices()][:3]
    for device, fate in zip(devices, ("success", "failure", "expired"), strict=True):
        here.tenant.actions.decree(device, fate)
    named = [word for each in devices for word in ("--device", each)]
    words = ("remote-actions", "execute", "#repair_office", *named)
    code, out, err = nxp(*words, "--wait", "1s", "--json")
    told = json.loads(out)
    assert code == 7
    assert "1 of 3 done, 1 failed, 1 not yet done" in err
    states = [each["status"] for each in told["entries"]]
    assert states == ["success", "failure", "waiting_on_device"]
    assert [each["resolved_device"] for each in told["entries"]] == devices
    # This tenant's clock is days behind, so the first export shows nothing.
    assert (told["reached"], told["outcome"]["exports"]) == (3, 2)
    (record,) = ledger.actions.requests()
    kept = ledger.actions.targets(intent_id=record.intent_id)
    assert dict(kept.select("target", "status").iter_rows())[devices[1]] == "failure"
    one = ("remote-actions", "execute", "#repair_office", "--device", devices[0])
    code, out, err = nxp(*one, "--wait", "1s")
    assert code == 0
    assert "success" in out
    assert "1 of 1 done" in err
    # Reading back fails: that it was sent is not lost.
    fault(here, "403@export:1")
    code, out, err = nxp(*one, "--wait", "0s", "--json")
    assert (code, json.loads(out)["requests"][0]["state"]) == (7, "requested")
    assert "reading back ended" in err


def test_a_resumed_execution_is_shown(nxp: Run, here: Place) -> None:
    with Client(here.tenant) as client:
        device = client.devices()[0]["device.collector.uid"]
    here.tenant.actions.decree(device, "success")
    uuid_ = json.loads(nxp("workflows", "show", "device_replacement", "--json")[1])["uuid"]
    words = ("--device", device, "-p", "ticket:=17", "--json")
    _, out, _ = nxp("workflows", "trigger", uuid_, *words)
    assert last(here).parameters == {"ticket": "17"}
    (execution,) = json.loads(out)["requests"][0]["execution_ids"]
    code, out, err = nxp("workflows", "resume", uuid_, execution, "--json")
    (entry,) = json.loads(out)["entries"]
    assert code == 0, err
    assert (entry["execution_id"], entry["resolved_device"]) == (execution, device)
    assert entry["status"] in {"in_progress", "success"}


@pytest.mark.slow
def test_a_table_names_devices_and_users_by_any_of_their_ids(
    nxp: Run, here: Place, tmp_path: Path
) -> None:
    with Client(here.tenant) as client:
        devices = client.devices()
        users = [each for each in client.users() if "@" in (each["user.upn"] or "")]
    names = [each["device.name"] for each in devices]
    named = [each for each in devices if names.count(each["device.name"]) == 1][:2]
    table = tmp_path / "devices.csv"
    rows = (
        "Name;collectorUid",
        f"{named[0]['device.name']};",
        f";{named[1]['device.collector.uid']}",
    )
    table.write_bytes("\r\n".join(rows).encode("utf-16"))
    words = ("workflows", "trigger", "#disk_space_relief", "-p", "threshold_gb=5")
    code, out, err = nxp(*words, "--devices", str(table), "--wait", "1s", "--json")
    told = json.loads(out)
    assert code in {0, 7}, err
    collectors = [each["device.collector.uid"] for each in named]
    assert [each.device for each in last(here).executions] == collectors
    assert [each["resolved_device"] for each in told["entries"]] == collectors
    people = tmp_path / "users.json"
    people.write_text(json.dumps([{"upn": users[0]["user.upn"], "uid": None}] * 2))
    code, out, err = nxp("workflows", "trigger", "#leaver_checks", "--users", str(people), "--json")
    assert (code, json.loads(out)["duplicates"]) == (0, 1), err
    assert [each.user for each in last(here).executions] == [users[0]["user.sid"]]
    # A name that is nobody's: fewer executions than names.
    table.write_text(f"name\n{named[0]['device.name']}\nnobody\n")
    code, out, err = nxp(*words, "--devices", str(table), "--json")
    assert (code, json.loads(out)["reached"], json.loads(out)["state"]) == (7, 1, "partly")
    assert "1 of 2 targets were taken, 0 refused, 1 not in the answer" in err


BAD_TABLES = [
    ("devices", "name,colour\nPC,red\n", "'colour' is none of the fields"),
    ("devices", "name,uid\nPC\n", "line 2 has 1 fields, and the header 2"),
    ("devices", "name,device.name\nPC,PC\n", "under two names of the same thing"),
    ("devices", 'name,uid\n"PC,\n', "has a quote that is not closed"),
    ("devices", "name,uid\n", "names no target"),
    ("devices", '[{"name": 7}]', "entry 0 has a value that is not text"),
    ("devices", '["PC"]', "entry 0 is not an object"),
    ("devices", "[", "is not JSON"),
    ("devices", '{"name": "PC"}', "is not a JSON list"),
    ("devices", '[{"name": "PC"}, {}]', "row 1 has no id"),
    ("devices", "collectorUid\nPC-1\n", "devices[0] is not a valid collectorUid"),
    ("users", "sid;upn\n;jane\n", "users[0] is not a valid upn"),
]


@pytest.mark.parametrize(("option", "text", "told"), BAD_TABLES)
def test_what_is_wrong_in_a_table_is_2(
    nxp: Run, tmp_path: Path, ledger: Ledger, option: str, text: str, told: str
) -> None:
    (tmp_path / "table").write_text(text)
    words = ("workflows", "trigger", "#vpn_repair", f"--{option}", str(tmp_path / "table"))
    code, out, err = nxp(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert ledger.actions.requests() == []


def test_users_with_equal_parameters_are_one_request(
    nxp: Run, here: Place, people: list[str], tmp_path: Path
) -> None:
    before = len(asked(here, "#restart_reminder"))
    table = tmp_path / "people.csv"
    rows = [(people[0], "3"), (people[1], "5"), (people[2], "3"), (people[0], "3")]
    text = "".join(f'{sid},{days},"Friday, noon"\r\n' for sid, days in rows)
    table.write_bytes(f"sid,days_since_restart,deadline\r\n{text}".encode("utf-8-sig"))
    words = ("campaigns", "trigger", "restart_reminder", "--file", str(table))
    code, out, err = nxp(*words, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [each["targets"] for each in told["requests"]] == [2, 1]
    assert [each["position"] for each in told["entries"]] == [0, 2, 1]
    assert told["duplicates"] == 1
    sent = asked(here, "#restart_reminder")[before:]
    by_user = {each.executions[0].user: dict(each.parameters) for each in sent}
    three = {"days_since_restart": "3", "deadline": "Friday, noon"}
    assert by_user == {
        people[0]: three,
        people[2]: three,
        people[1]: three | {"days_since_restart": "5"},
    }
    for more, told_ in (
        (f"{people[0]},4,x\r\n", "rows 2 and 6 name the same user with different"),
        (",4,x\r\n", "row 6 has no sid"),
    ):
        table.write_text(f"sid,days_since_restart,deadline\n{text}{more}".replace("\r", ""))
        code, _, err = nxp(*words)
        assert code == 2
        assert told_ in err
    table.write_text("sid,deadline\nx,y\n")
    assert "is a column, and given by -p too" in nxp(*words, "-p", "deadline=x")[2]


def test_executions_are_read_by_another_saved_query(nxp: Run, people: list[str]) -> None:
    nxp("workflows", "trigger", "#leaver_checks", "--user", people[1])
    words = ("--query", "workflow_executions", "-p", "from=2026-11-19 00:00:00")
    code, out, err = nxp("workflows", "executions", *words, "-p", "nql_id=#leaver_checks", "--json")
    assert code == 0, err
    assert people[1] in {row["user.sid"] for row in json.loads(out)}
    assert nxp("workflows", "executions", "leaver_checks", *words)[0] == 0
    for wrong in ((), ("#leaver_checks", "-p", "a=b")):
        assert nxp("workflows", "executions", *wrong)[0] == 2


def test_the_source_is_sent_with_lists_and_details_too(nxp: Run) -> None:
    assert nxp("workflows", "list", "--source", "desk")[0] == 0
    assert nxp("workflows", "show", "vpn_repair", "--source", "desk")[0] == 0
    code, _, err = nxp("workflows", "show", "vpn_repair", "--source", "ä")
    assert (code, "cannot be sent in a header" in err) == (2, True)


# Spark ----------------------------------------------------------------------------------------


@pytest.fixture
def upns(here: Place) -> list[str]:
    with Client(here.tenant) as client:
        return [row["user.upn"] for row in client.users() if "@" in (row["user.upn"] or "")]


def test_a_message_is_handed_off_once_for_each_user(
    nxp: Run, here: Place, upns: list[str], tmp_path: Path, ledger: Ledger
) -> None:
    shot = tmp_path / "shot.png"
    shot.write_bytes(b"\x89PNG")
    users = listed(tmp_path / "users.txt", [upns[0], upns[1].upper(), "", upns[1]])
    words = ("spark", "handoff", "--users", users, "--message", "It does not print.")
    more = ("--attach", str(shot), "--time-zone", "Europe/Zurich", "-p", "queue=it", "--json")
    before = len(here.tenant.handoffs)
    code, out, err = nxp(*words[:3], listed(tmp_path / "2.txt", upns[:2]), *words[4:], *more)
    assert (code, json.loads(out)["state"]) == (0, "requested")
    assert not any(upn in err for upn in upns)
    assert [each.upn for each in here.tenant.handoffs[before:]] == upns[:2]
    said = here.tenant.handoffs[-1]
    assert said.parts[0] == {"type": "TEXT", "text": "It does not print."}
    assert said.parts[1]["mimeType"] == "image/png"
    assert (said.time_zone, said.metadata) == ("Europe/Zurich", {"queue": "it"})
    # A lost answer: this message is not said again, another one is.
    fault(here, "timeout-after@act:1")
    one = ("spark", "handoff", "--user", upns[2], "--message")
    assert nxp(*one, "Help")[0] == 5
    assert nxp(*one, "Help")[0] == 8
    assert nxp(*one, "More help")[0] == 0
    assert [each.upn for each in here.tenant.handoffs[before + 2 :]] == [upns[2]] * 2
    assert "unknown" in {each.state for each in ledger.actions.requests()}


def test_a_hand_off_that_cannot_be_made_sends_nothing(
    nxp: Run, here: Place, upns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(here.tenant.handoffs)
    ann = ("spark", "handoff", "--user", "änn@example.com", "--message", "x")
    for words, problem in (
        (ann, "the user's UPN cannot be sent in a header"),
        (ann[:4], "there is nothing to hand off"),
        (("spark", "handoff", "--message", "x"), "no target is named"),
        ((*ann[:2], "--user", upns[0], "--attach", "/nowhere"), "No such file"),
    ):
        code, out, err = nxp(*words)
        assert (code, out, problem in err) == (2, "", True)
        assert "änn" not in err
    assert len(here.tenant.handoffs) == before
    # The tenant knows nobody of this name.
    code, _, err = nxp("spark", "handoff", "--user", "nobody@example.com", "--message", "x")
    assert (code, "nobody@" in err) == (6, False)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"It is slow.\n")))
    assert nxp("spark", "handoff", "--user", upns[0], "--message", "-")[0] == 0
    assert here.tenant.handoffs[-1].parts[0]["text"] == "It is slow."


def test_a_workflow_about_nothing_has_no_targets(nxp: Run) -> None:
    code, out, _ = nxp("workflows", "trigger", "#nightly_report", "--json")
    told = json.loads(out)
    assert (code, told["targets"], told["reached"]) == (0, 0, None)
    assert (told["requests"][0]["targets"], len(told["entries"])) == (0, 1)


def test_targets_named_by_uid_or_upn_have_their_status(
    nxp: Run, here: Place, tmp_path: Path
) -> None:
    with Client(here.tenant) as client:
        devices = client.devices()[:2]
        users = [each for each in client.users() if "@" in (each["user.upn"] or "")][:2]
    for each in devices:
        here.tenant.actions.decree(each["device.collector.uid"], "success")
    named = [word for each in devices for word in ("--device", f"uid={each['device.uid']}")]
    words = ("workflows", "trigger", "#disk_space_relief", "-p", "threshold_gb=5", "--by-id")
    _, out, _ = nxp(*words, *named, "--wait", "0s", "--json")
    entries = json.loads(out)["entries"]
    assert [each["status"] for each in entries] == ["success"] * 2
    assert [each["resolved_device"] for each in entries] == [
        each["device.collector.uid"] for each in devices
    ]
    file = listed(tmp_path / "users.txt", [f"upn={each['user.upn']}" for each in users])
    leavers = ("workflows", "trigger", "#leaver_checks", "--by-id", "--users", file)
    _, out, _ = nxp(*leavers, "--wait", "0s", "--json")
    entries = json.loads(out)["entries"]
    assert all(each["status"] for each in entries)
    assert [each["resolved_user"] for each in entries] == [each["user.sid"] for each in users]


def test_a_query_without_those_ids_leaves_their_status_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = CATALOG / "queries" / "workflow_executions.nql"
    older = (
        query.read_text("utf-8").replace("device.uid, ", "").replace(",\n  user.uid, user.upn", "")
    )
    catalogue(tmp_path, {"workflow_executions": older})
    with place(tmp_path, acting=AT_ONCE) as made, Client(made.tenant) as client:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        devices = client.devices()[:2]
        named = [word for each in devices for word in ("--device", f"uid={each['device.uid']}")]
        words = ("workflows", "trigger", "#disk_space_relief", "-p", "threshold_gb=5", "--by-id")
        done = called(*words, *named, "--wait", "0s", "--json", capsys=capsys)
    assert [each["status"] for each in json.loads(done.stdout)["entries"]] == ["unknown"] * 2


def test_the_words_of_a_refusal_are_in_the_answer(nxp: Run) -> None:
    words = ("remote-actions", "execute", "#restart_device", "--device", DEVICE.format(1))
    code, out, err = nxp(*words, "--json")
    (entry,) = json.loads(out)["entries"]
    assert (code, entry["state"]) == (6, "refused")
    assert entry["message"] == "The remote action may not be triggered by the API."
    assert entry["message"] in err


def test_executions_of_an_unknown_action_are_2(nxp: Run) -> None:
    code, _, err = nxp("remote-actions", "executions", "nosuch")
    assert (code, "no remote action #nosuch" in err) == (2, True)
    assert nxp("remote-actions", "executions", "renew_certificate")[0] == 0
    code, _, err = nxp("campaigns", "responses", "nosuch")
    assert (code, "or there is no such campaign" in err) == (0, True)


def test_targets_that_the_tenant_does_not_know_are_said(nxp: Run, here: Place) -> None:
    with Client(here.tenant) as client:
        device = client.devices()[0]
    named = ("--device", "name=nobody", "--device", f"name={device['device.name']}")
    words = ("workflows", "trigger", "disk_space_relief", "-p", "threshold_gb=5", "--by-id", *named)
    code, out, err = nxp(*words, "--json")
    told = json.loads(out)
    assert (code, told["reached"]) == (7, 1), err
    assert [each["state"] for each in told["entries"]] == ["not_found", "requested"]
    code, out, err = nxp(*words)
    assert "unknown to the tenant: 1 of the named targets, at the positions 0" in err
    fault(here, "404@export:1")
    code, out, err = nxp(*words)
    assert (code, "cannot be read back" in err, "#action_devices" in err) == (7, True, True)


def test_a_script_is_not_run_without_its_inputs(nxp: Run, here: Place, ledger: Ledger) -> None:
    words = ("remote-actions", "execute", "restart_service", "--device", DEVICE.format(3))
    code, out, err = nxp(*words)
    assert (code, out) == (2, "")
    assert "parameters are missing: ServiceName" in err
    assert ledger.actions.requests() == []
    fault(here, "403@list:1")
    assert nxp(*words, "-p", "ServiceName=Spooler")[0] == 0
    assert nxp(*words, "--allow-missing")[0] == 0


@pytest.mark.slow
def test_tables_are_short_unless_they_are_asked_to_be_wide(
    nxp: Run, here: Place, people: list[str]
) -> None:
    with Client(here.tenant) as client:
        device = client.devices()[4]["device.collector.uid"]
    nxp("remote-actions", "execute", DISK, "--device", device)
    nxp("workflows", "trigger", "leaver_checks", "--user", people[7])
    words = ("device_feedback", "--sids", ",".join(people[7:10]))
    _, out, _ = nxp("campaigns", "trigger", *words)
    assert " and 2 more" in out
    for group, verb, short in (
        ("remote-actions", ("executions", DISK), "requested device status details"),
        ("workflows", ("executions", "leaver_checks"), "requested device user status outcome"),
        ("campaigns", ("responses", "device_feedback"), "targeted user state answers"),
    ):
        _, out, err = nxp(group, *verb, "--since", "2026-11-19")
        assert out.splitlines()[0].split()[: len(short.split())] == short.split()
        assert "--wide prints all columns" in err
        _, out, err = nxp(group, *verb, "--since", "2026-11-19", "--wide")
        assert len(out.splitlines()[0].split()) > 7
        assert "--wide" not in err


def test_a_template_is_a_request(nxp: Run, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(nxp("enrich", "--template")[1])
    code, _, err = nxp("enrich", str(file))
    assert (code, "refuses all 2 objects" in err) == (6, True)
    code, _, err = nxp("enrich")
    assert (code, "--template prints one" in err) == (2, True)
    help_ = nxp("enrich", "--help")[1]
    assert '"identification":' in help_
