"""Answers outside the specification that tenants give, each by a switch of the sandbox."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import UnavailableError
from tests.commands import Result, called
from tests.landing import Place, catalogue, place

Nxp = Callable[..., Result]
NOTHING = 'devices | where name == "nobody" | list name, uid'
WRONG = "devices during past 7d | list name, color"


@pytest.fixture
def nxp(capsys: pytest.CaptureFixture[str]) -> Nxp:
    return lambda *words: called(*words, capsys=capsys)


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Serve a tenant with everything odd that leaves results as they are."""
    catalogue(tmp_path, {"nothing": NOTHING, "wrong": WRONG})
    words = {"submitted_word": "Pending", "progress_word": "running", "completed_word": "complete"}
    odd = {**words, "export_time": 1.0, "empty_result": "neither", "bare_ids": True}
    with place(tmp_path, **odd) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_unknown_states_are_waited_for_and_logged_once(
    odd: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (outcome,) = odd.land(odd.plan("devices"))
    assert odd.landed("devices").height == outcome.rows_landed > 0
    said = [each.getMessage() for each in caplog.records if "not documented" in each.message]
    assert len(said) == len({line.split()[8] for line in said}) >= 1


def test_a_status_shows_the_tenant_s_own_word(odd: Place, nxp: Nxp) -> None:
    export_id = nxp("nql", "export", "#users").stdout.strip()
    shown = nxp("nql", "status", export_id)
    assert re.fullmatch(r"IN_PROGRESS \(the tenant says (Pending|running)\)\n", shown.stdout)
    answer = json.loads(nxp("nql", "status", export_id, "--json").stdout)
    assert answer["unknown_word"] in {"Pending", "running"}
    early = nxp("nql", "download", export_id, "--to", str(odd.folder / "x.csv"))
    assert early.returncode == 5
    assert re.search(r"the export is (Pending|running): ask", early.stderr)
    unknown = nxp("nql", "status", export_id[:-4] + "dead")
    assert (unknown.returncode, "has no export" in unknown.stderr) == (2, True)


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_empty_result_without_count_and_rows_keeps_its_columns(
    odd: Place, nxp: Nxp, version: str
) -> None:
    # Without its #, which a shell reads as the beginning of a comment.
    done = nxp("nql", "execute", "nothing", "--version", version, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["total_count"], answer["rows"]) == (0, 0, [])
    assert len(answer["columns"]) == 2
    assert odd.tenant.requests["execute"]


@pytest.mark.usefixtures("odd")
def test_an_export_that_fails_says_where_its_error_is_shown(nxp: Nxp) -> None:
    done = nxp("schema", "learn", "wrong")
    assert done.returncode == 6
    command = done.stderr[done.stderr.index("nxp nql status") :].split()[1:4]
    assert "there is no field 'color'" in nxp(*command).stderr


def test_ids_in_lists_have_a_hash_and_are_found(odd: Place, nxp: Nxp) -> None:
    for group, name in (("remote-actions", "#clean_up_disk"), ("workflows", "#vpn_repair")):
        listed = [each["id"] for each in json.loads(nxp(group, "list", "--json").stdout)]
        assert name in listed
        assert nxp(group, "show", name.removeprefix("#")).returncode == 0
    assert odd.tenant.requests["list"]


def test_a_page_is_never_saved_as_a_result(odd: Place, nxp: Nxp) -> None:
    export_id = nxp("nql", "export", "#users", "--compression", "GZIP").stdout.strip()
    while "COMPLETED" not in nxp("nql", "status", export_id).stdout:
        time.sleep(0.1)
    target = odd.folder / "users.csv"
    odd.tenant.faults.add("page@download:1")
    refused = nxp("nql", "download", export_id, "--to", str(target))
    assert (refused.returncode, target.exists()) == (5, False)
    assert "a page of XML or HTML" in refused.stderr
    assert nxp("nql", "download", export_id, "--to", str(target)).returncode == 0


@pytest.mark.slow
def test_a_page_in_place_of_a_dataset_publishes_nothing(odd: Place) -> None:
    odd.tenant.faults.add("page@download:1")
    with pytest.raises(UnavailableError, match="a page of XML or HTML"):
        odd.land(odd.plan("users"))
    assert odd.landed("users").is_empty()
    assert odd.land(odd.plan("users"))[0].rows_landed


def test_an_unknown_word_is_waited_for_until_the_limit_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, completed_word="DONE") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)

        def sleep(seconds: float) -> None:
            made.tenant.clock.advance(timedelta(seconds=seconds * 100))

        with pytest.raises(UnavailableError, match="not finished after 1h"):
            made.land(made.plan("users"), sleep=sleep)
        assert made.tenant.requests["status"] > 3


def test_pages_and_undocumented_refusals_of_operations_are_one_line(odd: Place, nxp: Nxp) -> None:
    odd.tenant.faults.add("page@execute:1", "400@execute:1", "400@export:1", "400@list:1")
    page = nxp("nql", "execute", "#users")
    assert (page.returncode, "does not answer in JSON" in page.stderr) == (5, True)
    for words in (
        ("nql", "execute", "#users"),
        ("nql", "export", "#users"),
        ("remote-actions", "list"),
    ):
        refused = nxp(*words)
        assert (refused.returncode, refused.stdout) == (6, "")
        assert "HTTP 400" in refused.stderr
        assert "the tenant says: This is the fault ... as ordered." in refused.stderr
        assert "code 101" in refused.stderr or "code INVALID_REQUEST" in refused.stderr


def test_names_in_another_case_are_found_where_the_tenant_ignores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nxp: Nxp
) -> None:
    for ignored in (False, True):
        with place(tmp_path, ignore_case=ignored) as made:
            for name, value in made.environment.items():
                monkeypatch.setenv(name, value)
            device = made.tenant.frame("#devices")["device.name"][0]
            entry = {
                "identification": [{"name": "device/device/name", "value": device.swapcase()}],
                "fields": [{"name": "device/device/#asset_tag", "value": "A1"}],
            }
            file = tmp_path / "request.json"
            file.write_text(json.dumps([entry]), "utf-8")
            done = nxp("enrich", str(file), "--domain", "test")
            assert done.returncode == (0 if ignored else 6)
