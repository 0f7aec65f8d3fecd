"""Syncs from a file into the stand-in tenant: its values, the ledger, the report."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import (
    AccessError,
    DataRefusedError,
    HeldError,
    LimitReachedError,
    PartlyDoneError,
    PipelineError,
    StaleError,
    UnavailableError,
    UsageError,
)
from connectors.lake.rejects import reject_files
from connectors.ledger.enriched import KNOWN
from nxp.syncing import print_report
from tasks.stories.sync import plan_sync
from tasks.sync.applied import Applied
from tasks.sync.apply import Sender, apply_plan
from tasks.sync.asked import SyncAsked
from tasks.sync.guards import GuardError
from tasks.sync.push import NO_ANSWER
from tasks.sync.report import summary_of
from tests.acting import Client, enrichment
from tests.landing import NOW
from tests.syncing import BROKER, OWNER, POOL, SYNC_NAME, TAG, Rows, Syncing, syncing

UID = "device/device/uid"
MARK = "MARK-jane"
DAY = timedelta(days=1)
REGISTER = "SELECT uid, owner AS asset_owner, tag AS asset_tag FROM register"
# A custom field that nobody has created, and one whose values are all too long.
MISSING = {"device/device/#no_such_field": {"column": "asset_tag", "longest": 200}}
TOO_LONG = {TAG: {"longest": 200}}
# Virtual machines have values that nobody's sync has set.
TAKES = {
    "on_conflict": "take",
    "guards": {"shrink": 1, "changes": 1, "clears": 1, "overwrites": 1},
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=60) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        yield ready


def rows_of(uids: list[str], **more: str) -> Rows:
    return [{"uid": uid, "owner": f"{MARK} {n}", **more} for n, uid in enumerate(uids)]


def states(made: Syncing) -> dict[str, int]:
    return dict(made.known()["state"].value_counts().iter_rows())


def owners(made: Syncing) -> dict[str, Any]:
    return {uid: owner for uid, owner in made.held(OWNER).items() if owner}


def wanted(rows: Rows) -> dict[str, str]:
    return {row["uid"]: row["owner"] for row in rows if row.get("owner")}


def last_report(made: Syncing) -> dict[str, Any]:
    with made.ledger() as ledger:
        (run,) = ledger.runs(SYNC_NAME, 1)
    report: dict[str, Any] = run["report"]
    return report


def test_a_first_run_sets_everything_and_a_second_sends_nothing(made: Syncing) -> None:
    made.specify(**TAKES)
    uids = made.uids()
    rows = rows_of(uids, tag="T", broker="4", pool="P", updated="2026-10-03T15:00:00Z")
    made.write(rows)
    report = made.sync()
    assert report["state"] == "applied"
    assert (report["objects"], report["acknowledged"]) == (len(uids), len(uids))
    assert set(report["values"]) == {"set", "overwrite"}
    assert sum(each["acknowledged"] for each in report["values"].values()) == 5 * len(uids)
    assert report["convergence"] == 100.0
    assert owners(made) == wanted(rows)
    assert set(made.held(BROKER).values()) == {"windows_365"}
    assert states(made) == {"acknowledged": 5 * len(uids)}
    before, exports = made.requests, made.exports
    again = made.sync()
    assert (again["objects"], again["state"], again["convergence"]) == (0, "applied", None)
    assert (made.requests, made.exports) == (before, exports), "nothing to send, nothing to read"


def test_a_plan_is_applied_once(made: Syncing) -> None:
    made.write(rows_of(made.uids()))
    planned = made.plan()
    assert (planned["state"], made.requests) == ("planned", 0)
    assert made.apply()["acknowledged"] == len(made.uids())
    before = made.requests
    assert made.apply()["objects"] == 0
    assert made.apply(planned["plan_id"])["state"] == "applied"
    assert made.requests == before


def test_an_apply_says_which_run_kept_what_the_sources_left_out(
    made: Syncing, capsys: pytest.CaptureFixture[str]
) -> None:
    made.write([*rows_of(made.uids()), {"uid": "", "owner": "nobody's"}])
    planned, applied = made.plan(), made.apply()
    assert planned["run_id"] != applied["run_id"]
    print_report(applied)
    told = f"1 without key: nxp rejects {SYNC_NAME} --run {planned['run_id']}"
    assert told in capsys.readouterr().err
    assert [file.run_id for file in reject_files(made.place.lake, SYNC_NAME)] == [planned["run_id"]]


def test_the_tenants_words_about_an_object_are_kept_with_its_identity(made: Syncing) -> None:
    stranger = "11111111-2222-3333-4444-555555555555"
    made.write([*rows_of(made.uids()), {"uid": stranger, "owner": "nobody's"}])
    made.sync()
    (file,) = reject_files(made.place.lake, SYNC_NAME)
    assert [reject.reasons for reject in file.rows()] == [("ENRICH_020",)]
    assert file.raw() == [f"{stranger}: ENRICH_020: There is no device of this uid."]


def test_a_plan_counts_no_more_once_another_has_begun_or_the_yaml_has_changed(
    made: Syncing,
) -> None:
    made.write(rows_of(made.uids()))
    first, second = made.plan()["plan_id"], made.plan()["plan_id"]
    made.apply(second)
    before = made.requests
    with pytest.raises(StaleError):
        made.apply(first)
    made.write(rows_of(made.uids(), tag="T"))
    made.plan()
    made.specify(domain="other")
    with pytest.raises(StaleError):
        made.apply()
    with pytest.raises(UsageError, match="no plan nothing"):
        made.apply("nothing")
    assert made.requests == before


def test_changes_and_clears_are_sent_and_nothing_else(made: Syncing) -> None:
    made.specify(**TAKES)
    uids = made.uids()
    made.write(rows_of(uids, pool="P"))
    made.sync()
    # Somebody else's value of a field that this sync has never set.
    with Client(made.place.tenant) as client:
        client.enrich(enrichment(UID, uids[1], {TAG: "theirs"}))
    rows = rows_of(uids, pool="P")
    rows[0]["owner"], rows[2]["pool"] = "changed", ""
    made.write(rows)
    report = made.sync()
    assert report["values"] == {"change": {"acknowledged": 1}, "clear": {"acknowledged": 1}}
    assert made.held(OWNER)[uids[0]] == "changed"
    assert made.held(POOL)[uids[2]] is None
    assert made.held(TAG) == {uids[1]: "theirs"}
    assert report["convergence"] == 100.0


# Each alone passes in test_push.py too; here they meet the ledger.
PASSING = [
    ["503@enrich:3"],
    ["429-seconds@enrich:2", "429-date@enrich:2"],
    ["reset@enrich:3"],
    ["cut@enrich:3"],
    ["timeout-after@enrich:3"],
    ["401@enrich:1", "503@token:2"],
]
MIXED = ["503@enrich:25%", "reset@enrich:10%", "cut@enrich:10%", "timeout-after@enrich:10%"]


@pytest.mark.parametrize(
    "faults",
    [
        ["timeout-after@enrich:3", "401@enrich:1", "429-seconds@enrich:1"],
        *(pytest.param(each, marks=pytest.mark.slow) for each in (*PASSING, MIXED)),
    ],
    ids=lambda faults: faults[0],
)
def test_passing_faults_cost_nothing(made: Syncing, faults: list[str]) -> None:
    made.specify(push={"objects": 4, "concurrency": 2})
    rows = rows_of(made.uids(), tag="T")
    made.write(rows)
    made.place.tenant.faults.add(*faults)
    report = made.sync()
    assert made.place.tenant.faults.struck.total() > 0
    assert (report["acknowledged"], report["convergence"]) == (len(rows), 100.0)
    assert owners(made) == wanted(rows)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("503@enrich", UnavailableError, NO_ANSWER),
        ("403@enrich", AccessError, "HTTP_403"),
        pytest.param("404@enrich", DataRefusedError, "HTTP_404", marks=pytest.mark.slow),
        pytest.param("429-seconds@enrich", LimitReachedError, "HTTP_429", marks=pytest.mark.slow),
    ],
)
def test_a_tenant_that_takes_nothing_ends_the_run_and_apply_goes_on(
    made: Syncing, fault: str, kind: type[PipelineError], code: str
) -> None:
    rows = rows_of(made.uids())
    made.write(rows)
    made.place.tenant.faults.add(fault)
    with pytest.raises(kind):
        made.sync()
    report = last_report(made)
    assert report["state"] == "failed"
    # An answer that refuses the request unread leaves nothing in doubt.
    assert (report["unknown"] > 0) is (code == NO_ANSWER)
    assert report["unknown"] + report["not_sent"] == len(rows)
    # What was sent is open; the ledger does not have what was not sent.
    assert states(made) == {"open": report["codes"][code]} == {"open": report["waiting"]}
    assert set(made.known()["code"]) == {code}
    made.place.tenant.faults.clear()
    assert made.apply()["acknowledged"] == len(rows)
    assert owners(made) == wanted(rows)
    assert states(made) == {"acknowledged": len(rows)}


def test_a_run_that_was_stopped_halfway_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with syncing(tmp_path, devices=60, latency=0.05) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        made.specify(push={"objects": 2, "concurrency": 2})
        rows = rows_of(made.uids())
        made.write(rows)
        plan = made.plan()["plan_id"]
        with ThreadPoolExecutor(1) as pool:
            refusing = pool.submit(refuse_after, made, 4)
            with pytest.raises(PartlyDoneError, match="nxp apply assets resumes"):
                made.apply(plan)
            refusing.result()
        report = last_report(made)
        assert report["state"] == "partly"
        made.place.tenant.faults.clear()
        received = made.place.tenant.enrichment.received
        before = sum(each.objects for each in received)
        again = made.apply(plan)
        sent = sum(each.objects for each in received) - before
        assert again["settled_before"] == report["acknowledged"] > 0
        assert sent == again["acknowledged"] == len(rows) - report["acknowledged"]
        assert owners(made) == wanted(rows)


def refuse_after(made: Syncing, requests: int) -> None:
    """Make the tenant refuse the credential after so many requests."""
    deadline = time.monotonic() + 20
    while made.requests < requests and time.monotonic() < deadline:
        time.sleep(0.005)
    made.place.tenant.faults.add("403@enrich")


def test_an_unknown_object_waits_and_the_others_are_taken(made: Syncing) -> None:
    rows = rows_of([*made.uids(), f"{MARK}-nobody"])
    made.write(rows)
    report = made.sync(now=NOW)
    assert (report["state"], report["codes"]) == ("applied", {"ENRICH_020": 1})
    assert (report["rejected"], report["no_such_object"], report["waiting"]) == (0, 1, 1)
    assert report["values"]["set"] == {"acknowledged": len(rows) - 1, "no_such_object": 1}
    assert report["convergence"] == pytest.approx(100 * (len(rows) - 1) / len(rows), abs=0.01)
    before = made.requests
    again = made.sync(now=NOW)
    assert (again["objects"], again["waiting"]) == (0, 1)
    assert "1 value waits: 1 for 1 object that Nexthink does not have" in summary_of(again)
    assert made.requests == before
    # It is due after a day, then after two.
    for later, requests in ((1.1 * DAY, 1), (1.6 * DAY, 1), (3.2 * DAY, 2)):
        made.sync(now=NOW + later)
        assert made.requests == before + requests
    assert made.retry(now=NOW)["no_such_object"] == 1
    assert made.requests == before + 3


@pytest.mark.slow
def test_a_sync_of_whose_objects_nexthink_has_few_is_no_success(made: Syncing) -> None:
    made.write(rows_of([f"nobody {n}" for n in range(5)]))
    with pytest.raises(DataRefusedError, match="does not have 5 objects, and has 0: check what id"):
        made.sync()
    with pytest.raises(PartlyDoneError, match="5 values wait"):
        made.sync()
    made.write(rows_of([*made.uids()[:9], *(f"nobody {n}" for n in range(11))]))
    with pytest.raises(PartlyDoneError, match="does not have 11 objects, and has 9"):
        made.sync()


@pytest.mark.parametrize("missing", [MISSING, pytest.param(TOO_LONG, marks=pytest.mark.slow)])
def test_a_field_that_is_refused_as_a_whole_is_no_success_until_it_is_taken(
    made: Syncing, missing: dict[str, Any]
) -> None:
    (name,) = missing
    blind = [name] if missing is MISSING else []
    verify = {"query_id": "#assets_readback", "after": "0s", "blind": blind}
    made.specify(fields={OWNER: {}, **missing}, sql=REGISTER, verify=verify)
    rows = rows_of(made.uids(), tag="x" * 80)
    made.write(rows)
    with pytest.raises(DataRefusedError, match=f"{len(rows)} values are refused: {name}"):
        made.sync(verify=False)
    for sent in (len(rows), 0):
        with pytest.raises(PartlyDoneError, match=f"{name} is refused as a whole"):
            made.sync(verify=False)
        report = last_report(made)
        assert (report["acknowledged"], report["rejected"], report["refused"]) == (
            sent,
            0,
            len(rows),
        )
        assert report["refused_fields"] == [name]
        assert f"values are refused: {name} {len(rows)}" in summary_of(report)
    with pytest.raises(PartlyDoneError, match="is refused as a whole"):
        made.apply()
    made.specify(fields={OWNER: {}}, sql=REGISTER)
    assert made.sync(verify=False)["refused"] == 0


@pytest.mark.slow
def test_a_field_whose_values_never_fit_their_mapping_is_no_success(made: Syncing) -> None:
    made.specify(
        fields={OWNER: {}, TAG: {"values": {"1": "one"}}}, sql=REGISTER, max_reject_share=1
    )
    made.write(rows_of(made.uids(), tag="T"))
    with pytest.raises(PartlyDoneError, match=f"{TAG} is refused as a whole"):
        made.sync(verify=False)
    made.write([*rows_of(made.uids(), tag="T"), {"uid": "nobody", "tag": "1"}])
    made.sync(verify=False)


def test_a_lost_answer_is_confirmed_by_the_read_back(made: Syncing) -> None:
    made.specify(push={"objects": 100})
    rows = rows_of(made.uids(), tag="T")
    made.write(rows)
    made.place.tenant.faults.add("timeout-after@enrich:12")
    report = made.sync()
    assert (report["acknowledged"], report["confirmed"], report["unknown"]) == (0, len(rows), 0)
    assert (report["state"], report["convergence"], report["waiting"]) == ("applied", 100.0, 0)
    assert states(made) == {"acknowledged": 2 * len(rows)}
    # What it replaces was ours.
    made.place.tenant.faults.clear()
    made.place.tenant.faults.add("timeout-after@enrich:12")
    made.write([{**row, "owner": "changed"} for row in rows])
    assert made.sync()["confirmed"] == len(rows)
    stood = made.known().filter(value="changed").select("stood", "stood_by").rows()
    assert sorted(stood) == sorted((row["owner"], "us") for row in rows)
    changes = pl.read_parquet(list(made.place.lake.folder.glob("_changes/sync=assets/*/*.parquet")))
    assert set(changes.filter(after="changed")["set_by"]) == {"us"}
    made.place.tenant.faults.clear()
    assert made.sync()["objects"] == 0


def test_an_outage_during_one_batch_ends_as_unavailable(made: Syncing) -> None:
    made.specify(push={"objects": 100})
    made.write(rows_of(made.uids()))
    made.place.tenant.faults.add("503@enrich")
    with pytest.raises(UnavailableError, match="nxp sync assets sends them again"):
        made.sync(verify=False)
    made.place.tenant.faults.add("503@export")
    with pytest.raises(UnavailableError):
        made.sync()


def test_a_bad_value_waits_and_the_other_fields_follow(made: Syncing) -> None:
    fields = {OWNER: {"column": "owner", "longest": 200}, TAG: {"column": "tag"}}
    made.specify(fields=fields)
    uids = made.uids()
    rows = rows_of(uids, tag="T")
    rows[3]["owner"] = MARK + "x" * 80
    made.write(rows)
    with pytest.raises(PartlyDoneError, match="1 rejected"):
        made.sync()
    assert last_report(made)["codes"] == {"ENRICH_013": 1}
    assert states(made) == {"acknowledged": 2 * len(uids) - 2, "rejected": 1, "open": 1}
    assert made.held(TAG).get(uids[3]) is None
    report = made.sync()
    assert (report["objects"], report["acknowledged"]) == (1, 1)
    assert made.held(TAG)[uids[3]] == "T"
    before = made.requests
    made.sync()
    assert made.requests == before
    rows[3]["owner"] = "short enough"
    made.write(rows)
    assert made.sync()["acknowledged"] == 1
    assert made.held(OWNER)[uids[3]] == "short enough"


def test_chunks_follow_each_other_and_what_is_left_is_counted(made: Syncing) -> None:
    rows = rows_of(made.uids())
    made.write(rows)
    made.place.tenant.faults.add("403@enrich")
    with made.opened() as run, run.lease() as lease, plan_sync(run, SyncAsked()) as plan:
        started = replace(plan, record=run.ledger.plans.start(plan.plan_id))
        stopped = apply_plan(run, started, lease, is_resumed=False, most=7)
        assert isinstance(stopped.stopped, AccessError)
        assert stopped.objects.total() == len(rows)
        assert stopped.values.total() == len(rows)
        made.place.tenant.faults.clear()
        again = replace(plan, record=run.ledger.plans.start(plan.plan_id))
        applied = apply_plan(run, again, lease, is_resumed=True, most=7)
        assert applied.objects == {"acknowledged": len(rows)}
        record = run.ledger.plans.get(plan.plan_id)
        assert record is not None
        assert (record.state, record.settled_to) == ("applied", max(made.uids()))
    assert owners(made) == wanted(rows)


def opened_rows(uid: str, **changes: Any) -> pl.DataFrame:
    """Return a row of the ledger that was sent but not acknowledged."""
    row = {"key": uid, "identity": uid, "field": OWNER, "state": "open", "attempts": 1}
    return pl.DataFrame([row | changes], schema=dict(KNOWN))


def test_what_may_be_there_is_emptied_only_once_it_is_ours_for_sure(made: Syncing) -> None:
    first, second, third, *_ = made.uids()
    with made.ledger() as ledger:
        ledger.enriched.save(SYNC_NAME, opened_rows(first, open_value="ours"))
        # The tenant refuses it, so it cannot be there.
        ledger.enriched.save(SYNC_NAME, opened_rows(second, open_value="x" * 80))
        ledger.enriched.save(SYNC_NAME, opened_rows(third, open_value="ours"))
    with Client(made.place.tenant) as client:
        client.enrich(enrichment(UID, first, {OWNER: "ours"}))
        client.enrich(enrichment(UID, third, {OWNER: "theirs"}))
    made.write([{"uid": uid} for uid in made.uids()])
    with pytest.raises(PartlyDoneError):
        made.sync()
    report = last_report(made)
    assert report["values"]["settle"] == {"acknowledged": 1, "rejected": 1}
    assert report["values"]["clear"] == {"acknowledged": 1, "not sent": 1}
    assert report["planned"]["counts"]["theirs"] == 1
    assert made.held(OWNER) == {first: None, third: "theirs"}


def test_a_resumed_plan_leaves_out_what_is_settled(made: Syncing) -> None:
    uids = made.uids()[:5]
    with made.ledger() as ledger:
        for uid in uids:
            ledger.enriched.save(SYNC_NAME, opened_rows(uid, open_value="ours"))
    made.write([{"uid": uid} for uid in made.uids()])
    with made.opened() as run, run.lease(), plan_sync(run, SyncAsked()) as plan:
        mine = {"plan_id": plan.plan_id}
        found = [
            opened_rows(uids[0], state="acknowledged", value="ours", **mine),
            opened_rows(uids[1], state="acknowledged", value="", **mine),
            opened_rows(uids[2], state="rejected", open_value="ours", **mine),
            opened_rows(uids[3], state="rejected", value="ours", open_value="", **mine),
        ]
        run.ledger.enriched.save(SYNC_NAME, pl.concat(found))
        (rows,) = plan.chunks()
        left = Sender(run, plan, Applied()).left_of(rows).select("key", "action").rows()
    assert set(left) == {(uids[0], "clear"), (uids[4], "settle"), (uids[4], "clear")}


def test_too_many_rejects_fail_the_run_that_has_saved_everything(made: Syncing) -> None:
    made.specify(fields={OWNER: {"longest": 200}}, sql=REGISTER)
    rows = rows_of(made.uids())
    for row in rows[:5]:
        row["owner"] = "x" * 80
    made.write(rows)
    with pytest.raises(PartlyDoneError, match=r"more than the 5\.0% allowed"):
        made.sync()
    assert last_report(made)["state"] == "failed"
    assert owners(made) == {uid: owner for uid, owner in wanted(rows).items() if "x" not in owner}
    assert states(made) == {"acknowledged": len(rows) - 5, "rejected": 5}


def test_guards_stop_before_anything_is_sent(made: Syncing) -> None:
    made.specify(guards={"changes": 0.1})
    made.write(rows_of(made.uids()))
    made.sync()
    before = made.requests
    made.write([{**row, "owner": "other"} for row in rows_of(made.uids())])
    with pytest.raises(DataRefusedError, match="changes"):
        made.sync()
    with pytest.raises(DataRefusedError, match="--accept-guard changes --why"):
        made.plan()
    with pytest.raises(DataRefusedError, match="changes"):
        made.apply()
    assert made.requests == before
    assert made.sync(accept_guards=("changes",), why="moved")["acknowledged"] == len(made.uids())
    with made.ledger() as ledger:
        assert ledger.plans.of(SYNC_NAME, limit=1)[0].accepted == {"changes": "moved"}


@pytest.mark.slow
def test_other_objects_in_the_place_of_all_and_losses_over_days_are_guarded(made: Syncing) -> None:
    made.specify(guards={})
    uids = made.uids()
    made.write(rows_of(uids[:25]))
    made.sync(now=NOW)
    before = made.requests
    made.write(rows_of(uids[25:50]))
    with pytest.raises(GuardError, match="guard shrink: 25 of 25 objects") as told:
        made.sync(now=NOW + DAY / 4)
    assert told.value.guards == ("shrink", "new")
    report = last_report(made)
    assert summary_of(report).startswith("assets failed: nothing was sent: guard shrink: 25 of")
    assert (report["stopped_by"], made.requests) == (["shrink", "new"], before)
    # Two objects a day lose their value, always below the limit of a day.
    for day in (1, 2, 3):
        made.write(
            [
                {**row, "owner": "" if n < 2 * day else row["owner"]}
                for n, row in enumerate(rows_of(uids[:25]))
            ]
        )
        if day < 3:
            assert made.sync(now=NOW + day * DAY)["values"] == {"clear": {"acknowledged": 2}}
    with pytest.raises(GuardError, match=r"cumulative: 6 of 25 keys .* within 7 days"):
        made.sync(now=NOW + 3 * DAY)
    why: dict[str, Any] = {"accept_guards": ("cumulative",), "why": "they left"}
    assert made.sync(now=NOW + 3 * DAY, **why)["acknowledged"] == 2
    # A person has looked at all that went before.
    made.write([{**row, "owner": ""} if n < 7 else row for n, row in enumerate(rows_of(uids[:25]))])
    assert made.sync(now=NOW + 4 * DAY)["acknowledged"] == 1


def test_a_sync_that_is_held_says_by_whom(made: Syncing) -> None:
    made.write(rows_of(made.uids()))
    with made.opened() as run, run.lease(), pytest.raises(HeldError, match="sync assets"):
        made.sync()


def test_the_report_is_in_the_lake_too(made: Syncing) -> None:
    made.write(rows_of(made.uids()))
    report = made.sync()
    (file,) = made.place.lake.folder.glob(f"_runs/*/{report['run_id']}.parquet")
    (row,) = pl.read_parquet(file).to_dicts()
    assert (row["dataset"], row["trigger"], row["state"]) == (SYNC_NAME, "sync", "applied")
    assert row["acknowledged"] == row["rows_landed"] == len(made.uids())
    assert row["values"] == f'{{"set": {{"acknowledged": {len(made.uids())}}}}}'
    (changes,) = made.place.lake.folder.glob("_changes/sync=assets/*")
    kept = pl.read_parquet(list(changes.glob("*.parquet")))
    assert kept.columns == ["run_id", "key", "field", "before", "after", "action", "at", "set_by"]
    assert dict(kept.select("key", "after").iter_rows()) == wanted(rows_of(made.uids()))
    assert {oct(path.stat().st_mode & 0o777) for path in changes.iterdir()} == {"0o600"}
