"""What commands print with `--json`, by real calls: as their schemas and docs/connector.md say."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cyclopts import App

from nxp.answers.operations import OPERATIONS
from nxp.answers.page import COMMAND, page
from nxp.answers.schemas import fields_of, schema_of
from nxp.cli import build_app
from nxp.command_table import COMMANDS, GROUPS
from nxp.editors.files import KINDS
from tests.actions import CERTAIN
from tests.answers import validated
from tests.commands import called
from tests.landing import catalogue, place
from tests.syncing import SYNC_NAME, syncing

# These need a source, and have a test of their own.
SYNCING = {"plan", "apply", "sync", "retry", "undo"}
# These start processes, or need rows that were rejected: their own tests validate them.
ELSEWHERE = {"sandbox", "server start", "deploy", "doctor", "replay"}


class Calls:
    """Calls commands, and validates what each prints; `seen` has the fields of all answers."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.seen: dict[str, set[str]] = {}

    def __call__(self, operation: str, *words: str, code: int = 0) -> Any:
        done = called(*operation.split(), *words, "--json", capsys=self.capsys)
        assert done.returncode == code, done.stderr
        answer = validated(operation, done.stdout)
        self.seen.setdefault(operation, set()).update(paths(answer))
        return answer


def paths(answer: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all fields of an answer, as `fields_of` writes them."""
    if isinstance(answer, list):
        for each in answer:
            yield from paths(each, f"{path}[]")
    if isinstance(answer, dict):
        for name, value in answer.items():
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from paths(value, inner)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Calls]:
    # On the real clock: commands that read back ask for the last week.
    with place(tmp_path, acting=CERTAIN, now=None) as made:
        validated("sandbox", json.dumps(made.tenant.describe()))
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield Calls(capsys)


def nql(call: Calls, folder: Path) -> None:
    executed = call("nql execute", "#users")
    assert executed["total_count"] == len(executed["rows"]) > 0
    assert list(executed["rows"][0]) == [column["name"] for column in executed["columns"]]
    export_id = call("nql export", "#users")["export_id"]
    deadline = time.monotonic() + 20
    while call("nql status", export_id)["state"] != "COMPLETED":
        assert time.monotonic() < deadline
    assert call("nql status", export_id)["results_url"] is None
    done = call("nql download", export_id, "--to", str(folder / "users.csv"))
    status = call("nql status", export_id, "--url")
    assert status["rows"] == done["rows"] == executed["total_count"]
    by_url = call("nql download", status["results_url"], "--to", str(folder / "again.csv"))
    assert (by_url["rows"], by_url["export_id"]) == (done["rows"], None)


def catalogues(call: Calls) -> None:
    assert "#clean_up_disk" in [each["id"] for each in call("remote-actions list")]
    shown = call("remote-actions show", "clean_up_disk")
    assert all(shown[name] is None for name in shown["not_provided"])
    (workflow,) = (each for each in call("workflows list") if each["id"] == "#disk_space_relief")
    assert call("workflows show", workflow["uuid"]) == workflow
    assert workflow["not_provided"] == ["inputs.type", "inputs.required", "inputs.options"]


def enrich(call: Calls, folder: Path) -> None:
    name = call("nql execute", "#devices")["rows"][0]["device.name"]
    entries = [
        {
            "identification": [{"name": "device/device/name", "value": value}],
            "fields": [{"name": "device/device/#asset_tag", "value": "A1"}],
        }
        for value in (name, "nobody")
    ]
    file = folder / "request.json"
    file.write_text(json.dumps(entries), "utf-8")
    outcome = call("enrich", str(file), "--domain", "test", code=7)
    assert [each["outcome"] for each in outcome["entries"]] == ["acknowledged", "rejected"]
    assert (outcome["acknowledged"], outcome["rejected"], outcome["unknown"]) == (1, 1, 0)
    assert outcome["entries"][1]["errors"][0]["message"]


def acting(call: Calls, folder: Path) -> None:
    device = call("nql execute", "#devices")["rows"][0]["device.collector.uid"]
    user = call("nql execute", "#users")["rows"][0]["user.sid"]
    disk = ("get_disk_usage", "--device", device, "--wait", "2s")
    assert [each["status"] for each in call("remote-actions execute", *disk)["entries"]] == [
        "success"
    ]
    assert call("remote-actions executions", "get_disk_usage")
    file = folder / "devices.csv"
    file.write_text(f"collectorUid\n{device}\n")
    relief = ("disk_space_relief", "--devices", str(file), "--wait", "2s")
    assert call("workflows trigger", *relief)["outcome"]["ended"] == 1
    replacement = ("device_replacement", "--device", device, "-p", "ticket=1")
    (request,) = call("workflows trigger", *replacement)["requests"]
    resumed = call("workflows resume", "device_replacement", *request["execution_ids"])
    assert resumed["entries"][0]["status"]
    assert call("workflows executions", "device_replacement")
    asked = ("device_feedback", "--sids", f"{user},S-1-5-21-1-2-3-4", "--wait", "2s")
    answer = call("campaigns trigger", *asked, code=7)
    assert [each["state"] for each in answer["entries"]] == ["requested", "refused"]
    assert answer["entries"][0]["status"] == "answered"
    assert call("campaigns responses", "device_feedback")
    upn = next(row for row in call("nql execute", "#users")["rows"] if row["user.upn"])["user.upn"]
    said = ("--user", upn, "--message", "It does not print.")
    assert call("spark handoff", *said)["entries"][0]["user"] == {"upn": upn}


def deletions(call: Calls, folder: Path) -> None:
    rows = call("nql execute", "#devices")["rows"]
    stale = [row for row in rows if row["device.days_since_last_seen"] > 0][:2]
    file = folder / "old.csv"
    named = "\n".join(row["device.collector.uid"] for row in stale)
    file.write_text(f"collectorUid\n{named}\nnobody\n")
    planned = call("devices plan", "--file", str(file))
    assert (planned["targets"], planned["excluded"]) == (2, {"unknown": 1})
    done = called(
        *("devices", "approve", "--plan", planned["plan_id"], "--who", "A", "--why", "old"),
        capsys=call.capsys,
    )
    assert done.returncode == 0
    words = ("--plan", planned["plan_id"], "--hash", planned["sha256"])
    assert call("devices delete", *words)["outcomes"] == {"scheduled": 2}
    call("devices status")


def runs(call: Calls) -> None:
    assert call("export", "crashes", "--dry-run")
    assert call("export", "crashes", "devices", "--dry-run").keys() == {"crashes", "devices"}
    report = call("export", "devices", "users")
    assert [each["dataset"] for each in report["datasets"]] == ["devices", "users"]
    today = datetime.now(UTC).date()
    span = ("--from", f"{today - timedelta(days=2)}", "--to", f"{today - timedelta(days=1)}")
    assert call("backfill", "crashes", *span, "--dry-run")["to_land"] == 1
    assert call("backfill", "crashes", *span)["outcomes"][0]["rows_landed"] > 0
    assert {each["dataset"] for each in call("datasets")} > {"devices", "crashes"}
    assert call("datasets", "crashes")
    assert call("datasets", "crashes", "--columns")["columns"]
    assert call("datasets", "crashes", "--nql")["query_id"] == "#crashes"
    assert len(call("datasets", "device_performance", "--nql")) > 1
    assert call("state show", "crashes")["landed"] == 1
    assert call("state reset", "crashes")["watermark"] is None
    assert "devices" in call("check")["datasets"]
    assert "NXP_LAKE" in [each["name"] for each in call("settings")]
    assert "#devices" in call("nql queries")
    assert call("nql queries", "--to-paste")[0]["used_by"] == ["dataset devices"]
    assert "crashes" in [each["name"] for each in call("add")]
    assert call("add", "crashes", "--dry-run")["parts"] == ["crashes"]
    assert {each["dataset"] for each in call("runs")} == {"devices", "users", "crashes"}


def actions(call: Calls) -> None:
    assert call("act plan", "free_disk_space")["state"] == "planned"
    assert call("act show", "free_disk_space")["state"] == "planned"
    assert "rows" in call("act show", "free_disk_space", "--full")
    assert call("act run", "free_disk_space")["state"] == "dry_run"
    assert call("act status", "free_disk_space")[0]["targets"] >= 0
    call("act status", "free_disk_space", "--targets")
    call("act status")
    assert [each["dataset"] for each in call("act self-help", "restart_agreed")]


def house(call: Calls, folder: Path) -> None:
    assert call("state accept", "crashes", "--why", "x")["accepted"] == []
    assert call("state audit") == []
    assert call("rejects", "devices") == []
    assert call("maintain", "devices", "--dry-run")["state"] == "dry run"
    assert call("maintain", "devices")["state"] == "done"
    assert call("maintain", "--layout", "--dry-run")[0]["layout"]
    assert call("lake rewrite", "devices", "--dry-run")["units"] == 0
    assert call("lake duckdb", str(folder / "lake.duckdb"))
    assert call("site", "--out", str(folder / "site"))
    assert call("sql", "SELECT 1 AS one, now() AS moment")[0]["one"] == 1
    assert "windows_builds" in [each["name"] for each in call("ask")]
    assert call("ask", "windows_builds")["rows"][0]["devices"] > 0
    assert call("schema learn", "users")["differences"] == []
    assert call("schema learn", "users", "--out", str(folder / "users.yaml"))["columns"]
    assert call("schema print").keys() == KINDS.keys()
    assert call("schema answers").keys() == OPERATIONS.keys()
    query = folder / "odd.nql"
    query.write_text("devices | lst name", "utf-8")
    assert call("nql lint", str(query), code=3)[0]["file"] == str(query)
    assert call("nql diff", "users")[0]["outcome"] == "same"
    assert call("server status", code=5) == {"running": False}
    assert call("stack status", code=5) == []


def test_every_operation_answers_as_its_schema_and_the_page_say(
    call: Calls, tmp_path: Path
) -> None:
    nql(call, tmp_path)
    catalogues(call)
    enrich(call, tmp_path)
    acting(call, tmp_path)
    runs(call)
    actions(call)
    deletions(call, tmp_path)
    house(call, tmp_path)
    for name, operation in OPERATIONS.items():
        if name in SYNCING | ELSEWHERE:
            continue
        assert name in call.seen, f"{name} is not called here"
        if operation.requests:
            described = {field.path for field in fields_of(schema_of(operation))}
            assert described <= call.seen[name], f"{name}: not in any answer"


@pytest.mark.slow
def test_syncs_answer_as_their_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with syncing(tmp_path) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        call = Calls(capsys)
        made.write([{"uid": uid, "owner": "a", "tag": "b"} for uid in [*made.uids(), "nobody"]])
        assert call("plan", SYNC_NAME)["samples"]
        call("apply", SYNC_NAME)
        made.write([{"uid": uid, "owner": "c"} for uid in made.uids()])
        synced = call("sync", SYNC_NAME)
        assert synced["state"] == "applied"
        assert call("undo", synced["plan_id"])["planned"]["undoes"] == synced["plan_id"]
        call("retry", SYNC_NAME)
        assert call.seen.keys() == SYNCING


def test_the_page_of_the_connector_is_current() -> None:
    text = (Path(__file__).parents[3] / "docs" / "connector.md").read_text("utf-8")
    assert text == page(), f"run: {COMMAND}"


@pytest.mark.parametrize("words", [("nql", "status"), ("nql status",), ("nxp", "nql", "status")])
def test_schemas_are_printed(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    one = json.loads(called("schema", "answers", *words, capsys=capsys).stdout)
    jsonschema.Draft202012Validator.check_schema(one)
    assert one == schema_of(OPERATIONS["nql status"])


def test_all_schemas_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    every = json.loads(called("schema", "answers", "--json", capsys=capsys).stdout)
    assert every["nql status"] == schema_of(OPERATIONS["nql status"])
    assert set(every) == set(OPERATIONS)
    listed = called("schema", "answers", capsys=capsys).stdout
    assert [line.split("  ")[0] for line in listed.splitlines()[1:]] == list(OPERATIONS)
    unknown = called("schema", "answers", "nql", "nope", capsys=capsys)
    assert (unknown.returncode, "nql nope" in unknown.stderr) == (2, True)


def test_a_failed_export_says_why_whatever_the_tenant_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    too_long = "execution.events during past 240h | list device.name"
    catalogue(tmp_path, {"too_long": too_long})
    with place(tmp_path, failed_word="FAILED") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        call = Calls(capsys)
        export_id = call("nql export", "#too_long")["export_id"]
        deadline = time.monotonic() + 20
        while (status := call("nql status", export_id))["state"] != "ERROR":
            assert time.monotonic() < deadline
        assert "192 hours" in status["error_description"]
        target = tmp_path / "x.csv"
        refused = called("nql", "download", export_id, "--to", str(target), capsys=capsys)
        assert (refused.returncode, target.exists()) == (6, False)
        assert "ended the export with an error" in refused.stderr


def test_every_command_with_json_has_a_schema() -> None:
    app = build_app()
    names = [
        f"{name} {verb}" if verb else name
        for name in COMMANDS
        for verb in (GROUPS.get(name) or {"": ""})
    ]
    printing = {
        name
        for name in names
        for each in _command(app, name).assemble_argument_collection(parse_docstring=False)
        if "--json" in each.names
    }
    assert printing == set(OPERATIONS)


def _command(app: App, name: str) -> App:
    for word in name.split():
        app = app[word]
    return app
