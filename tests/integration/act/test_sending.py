"""Requests of a plan to a tenant that fails: nothing is sent twice, and nothing is lost."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from connectors.errors import (
    AccessError,
    ActionRefusedError,
    HeldError,
    LimitReachedError,
    PartlyDoneError,
    PipelineError,
    UnknownOutcomeError,
)
from connectors.ledger.action_requests import RequestState
from tasks.act.status import overview, refresh_action, resolve_request
from tests.actions import Acting, acting

NAME = "clean_up"
FOUND = {"targets": {"query_id": "#windows_devices"}}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv) as ready:
        ready.specify(NAME, **FOUND, limits={"per_request": 5})
        yield ready


def states(made: Acting) -> dict[str, int]:
    with made.ledger() as ledger:
        return overview(ledger, NAME)[0]["states"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("403@act", AccessError),
        ("429-seconds@act", LimitReachedError),
        pytest.param("429-date@act", LimitReachedError, marks=pytest.mark.slow),
    ],
)
def test_what_was_turned_away_is_sent_by_the_next_run(
    made: Acting, fault: str, error: type[PipelineError]
) -> None:
    made.tenant.faults.add(f"{fault}:1")
    everybody = len(made.devices())
    with pytest.raises(error):
        made.run(NAME)
    assert not made.tenant.actions.requests
    assert states(made) == {"intent": everybody}
    # The run resumes that plan; nobody is left for a new one.
    report = made.run(NAME)
    assert report["excluded"] == {"cool_down": everybody}
    assert states(made) == {"requested": everybody} or not states(made)
    assert made.done() == dict.fromkeys(made.devices(), 1)


@pytest.mark.parametrize("fault", ["timeout-after@act", "cut@act"])
def test_an_answer_that_was_lost_is_found_by_reading_back(made: Acting, fault: str) -> None:
    made.tenant.faults.add(f"{fault}:1")
    with pytest.raises(UnknownOutcomeError, match="read back"):
        made.run(NAME)
    assert states(made)["unknown"] == 5
    made.run(NAME)
    assert made.done() == dict.fromkeys(made.devices(), 1)
    with made.ledger() as ledger:
        found = ledger.actions.requests()
    assert {request.state for request in found} == {RequestState.REQUESTED}


@pytest.mark.parametrize(
    "fault",
    [*(pytest.param(each, marks=pytest.mark.slow) for each in ("500@act", "503@act")), "reset@act"],
)
def test_what_never_shows_waits_for_a_person(made: Acting, fault: str) -> None:
    made.tenant.faults.add(f"{fault}:1")
    with pytest.raises(UnknownOutcomeError):
        made.run(NAME)
    made.run(NAME)
    assert len(made.done()) == len(made.devices()) - 5
    made.tenant.clock.advance(timedelta(minutes=31))
    report = made.run(NAME)
    assert report["excluded"]["in_doubt"] == 5
    with made.ledger() as ledger:
        (lost,) = ledger.actions.requests(states=[RequestState.NOT_SEEN])
        resolve_request(ledger, lost.intent_id, sent=False, why="not in the console")
    assert made.run(NAME)["requested"] == 5
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_what_a_person_says_was_sent_is_never_sent(made: Acting) -> None:
    made.tenant.faults.add("500@act:1")
    with pytest.raises(UnknownOutcomeError):
        made.run(NAME)
    with made.ledger() as ledger:
        (lost,) = ledger.actions.requests(states=[RequestState.UNKNOWN])
        resolve_request(ledger, lost.intent_id, sent=True, why="seen in the console")
    made.run(NAME)
    assert made.run(NAME)["excluded"] == {"cool_down": len(made.devices())}
    assert len(made.done()) == len(made.devices()) - 5


def test_a_refusal_gives_up_the_other_requests_too(made: Acting) -> None:
    made.specify(
        "ask",
        kind="campaign",
        id="#yearly_survey",
        targets={"query_id": "#action_users"},
        limits={"per_request": 5},
    )
    with pytest.raises(ActionRefusedError, match="INVALID_CAMPAIGN_TRIGGER_TYPE"):
        made.run("ask")
    with made.ledger() as ledger:
        (plan,) = overview(ledger, "ask")
    assert plan["state"] == "finished"
    assert plan["states"].keys() == {"refused", "not_sent"}
    assert not made.tenant.actions.requests


def test_an_interrupted_plan_is_given_up_after_a_day(made: Acting) -> None:
    made.tenant.faults.add("429-seconds@act:1")
    with pytest.raises(LimitReachedError):
        made.run(NAME)
    made.tenant.clock.advance(timedelta(hours=25))
    report = made.run(NAME)
    assert report["requested"] == len(made.devices())
    with made.ledger() as ledger:
        newest, oldest = overview(ledger, NAME)
    assert oldest["states"] == {"not_sent": len(made.devices())}
    assert newest["states"] == {"requested": len(made.devices())}


def test_two_runs_at_once_do_not_both_send(made: Acting) -> None:
    with made.opened(NAME) as run, run.lease(), pytest.raises(HeldError, match="is held by run"):
        made.run(NAME)
    made.specify("same_action", **FOUND)
    with made.opened(NAME) as run, run.lease(), pytest.raises(HeldError):
        made.run("same_action")
    assert not made.tenant.actions.requests


def test_a_pace_spreads_requests(made: Acting) -> None:
    made.specify(NAME, **FOUND, limits={"per_minute": 7})
    report = made.run(NAME)
    times = [each.created_at for each in made.tenant.actions.requests]
    assert report["requests"] == len(times) == -(-len(made.devices()) // 7)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) > timedelta(seconds=50)


def test_a_read_back_that_fails_leaves_what_was_sent_and_says_so(made: Acting) -> None:
    made.specify(NAME, **FOUND, limits={"cool_down": "0s"})
    made.query("remote_action_executions", "nonsense")
    with pytest.raises(PartlyDoneError, match=r"sent, but not read back: .* --refresh"):
        made.run(NAME)
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_a_refresh_reads_back_what_has_come_since(made: Acting) -> None:
    made.specify(NAME, **FOUND, expires="2h")
    late = made.devices()[0]
    made.tenant.actions.decree(late, "expired")
    made.run(NAME)
    made.tenant.clock.advance(timedelta(hours=3))
    with made.ledger() as ledger:
        assert overview(ledger, NAME)[0]["outcomes"]["waiting_on_device"] == 1
    refresh_action(NAME)
    with made.ledger() as ledger:
        assert overview(ledger, NAME)[0]["outcomes"]["expired"] == 1


def test_a_refresh_finds_a_lost_request_and_what_became_of_it(made: Acting) -> None:
    made.tenant.faults.add("timeout-after@act:1")
    with pytest.raises(UnknownOutcomeError):
        made.run(NAME)
    refresh_action(NAME)
    with made.ledger() as ledger:
        assert overview(ledger, NAME)[0]["outcomes"] == {"success": 5}


def test_a_report_is_kept_in_numbers_and_changes_for_their_owner(made: Acting) -> None:
    failed = made.devices()[0]
    made.tenant.actions.decree(failed, "failure")
    report = made.run(NAME)
    runs = pl.read_parquet(list(made.place.lake.folder.glob("_runs/**/*.parquet")))
    (row,) = runs.filter(run_id=report["run_id"]).to_dicts()
    everybody = len(made.devices())
    assert (row["state"], row["targets"], row["requested"]) == ("done", everybody, everybody)
    assert json.loads(row["outcomes"]) == {"failure": 1, "success": everybody - 1}
    assert json.loads(row["reasons"]) == report["reasons"]
    assert failed not in json.dumps(row, default=str)
    (file,) = made.place.lake.folder.glob(f"_changes/action={NAME}/**/*.parquet")
    assert file.stat().st_mode & 0o077 == 0
    changes = pl.read_parquet(file, hive_partitioning=False)
    assert set(changes["run_id"]) == {report["run_id"]}
    assert dict(changes.select("target", "status").iter_rows()) == {
        device: "failure" if device == failed else "success" for device in made.devices()
    }


@pytest.mark.slow
def test_twenty_eight_thousand_targets_are_all_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(tmp_path, monkeypatch.setenv, devices=29_300, days=1) as made:
        made.query("everybody", "devices during past 30d | list device.collector.uid, device.name")
        made.specify(
            NAME,
            id="#get_encryption_status",
            parameters={},
            targets={"query_id": "#everybody"},
            limits={"targets": 50_000},
        )
        everybody = made.devices("everybody")
        assert len(everybody) > 28_000
        report = made.run(NAME)
        assert report["outcomes"].keys() == {"success"}
        assert made.done() == dict.fromkeys(everybody, 1)
        sizes = [len(request.executions) for request in made.tenant.actions.requests]
        assert sizes == [10_000, 10_000, len(everybody) - 20_000]
