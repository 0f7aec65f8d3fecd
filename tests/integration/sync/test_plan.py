"""Planning with a real ledger and lake: the plan's file, staleness, absences, recovery."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import DataRefusedError, StaleError, UsageError
from connectors.ledger import Ledger, open_ledger
from connectors.ledger.enriched import ValueState
from tasks.sync import plan_pieces as module
from tasks.sync.guarding import lately
from tasks.sync.guards import Guard
from tasks.sync.plan import make_plan, retry_plan
from tasks.sync.plan_file import SyncPlan
from tasks.sync.planning import Planning
from tasks.sync.recovery import recover
from tasks.sync.staleness import load_plan
from tests.lakes import Site
from tests.planning import (
    NOW,
    OWNER,
    SITE,
    TYPE,
    UID,
    Estate,
    Tenant,
    apply_plan,
    full,
    known,
    planning_at,
    send_rows,
    sync_specification,
    tiled,
    wanted,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ESTATE: Estate = {"PC-1": {OWNER: "A1", SITE: "S1"}, "PC-2": {OWNER: "A2"}, "PC-3": {SITE: "S3"}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu", lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def planning(tmp_path: Path, ledger: Ledger) -> Planning:
    return planning_at(tmp_path, ledger)


def planned(planning: Planning, estate: Estate = ESTATE, **more: Any) -> SyncPlan:
    source = more.pop("source", None) or full(estate)
    return make_plan(planning, tiled(estate, more.pop("bounds", ())), source, **more)


def rows_of(plan: SyncPlan) -> list[tuple[Any, ...]]:
    frames = [chunk.select("key", "field", "after", "action") for chunk in plan.chunks()]
    return pl.concat(frames).rows() if frames else []


def applied(planning: Planning, estate: Estate = ESTATE, tenant: Tenant | None = None) -> Tenant:
    tenant = tenant or Tenant()
    apply_plan(planning, planned(planning, estate), tenant)
    return tenant


def killed(planning: Planning, plan: SyncPlan, tenant: Tenant, sent: int) -> None:
    """Apply one chunk, and die after so many rows were sent and none was saved."""
    record = planning.ledger.plans.start(plan.plan_id)
    (rows,) = plan.chunks()
    planning.ledger.plans.begin(record.plan_id, rows["key"][-1])
    send_rows(planning, plan.plan_id, rows.head(sent), tenant, save=False)


# Planning ----------------------------------------------------------------------------------------


def test_a_plan_is_written_privately_and_read_back_in_whole_keys(
    site: Site, ledger: Ledger, tmp_path: Path
) -> None:
    planning = planning_at(tmp_path, ledger, lake=site.lake, scratch=site.scratch)
    with planned(planning, bounds=["pc-1", "pc-2"]) as plan:
        expected = [
            ("pc-1", OWNER, "A1", "set"),
            ("pc-1", SITE, "S1", "set"),
            ("pc-2", OWNER, "A2", "set"),
            ("pc-3", SITE, "S3", "set"),
        ]
        assert rows_of(plan) == expected
        assert [chunk["key"].n_unique() for chunk in plan.chunks(most=2)] == [2, 1]
        assert [chunk["key"].to_list() for chunk in plan.chunks("pc-1", "pc-2")] == [["pc-2"]]
        assert (plan.summary.rows, plan.summary.keys, plan.summary.counts.set) == (4, 3, 4)
    (path,) = site.paths("_plans")
    assert path == f"_plans/sync=cmdb_devices/{plan.plan_id}.parquet"
    if site.service is None:
        file = Path(site.root) / "acme.eu" / path
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent)]
        assert modes == [0o600, 0o700]
    else:
        assert not plan.path.exists()
        with load_plan(planning, plan.plan_id) as again:
            assert rows_of(again) == expected


def test_a_plan_that_breaks_off_leaves_nothing(planning: Planning, tmp_path: Path) -> None:
    def ranges() -> Any:
        yield wanted(ESTATE, None, "pc-3")
        raise UsageError("the source breaks off")

    with pytest.raises(UsageError):
        make_plan(planning, ranges(), full(ESTATE))
    assert planning.ledger.plans.of("cmdb_devices") == []
    assert [path for path in (tmp_path / "lake").rglob("*") if path.is_file()] == []


def test_planning_twice_moves_nothing_and_an_unchanged_source_is_an_empty_plan(
    planning: Planning,
) -> None:
    tenant = applied(planning)
    before = planning.ledger.enriched.read("cmdb_devices")
    version = planning.ledger.syncs.read("cmdb_devices").version
    for _ in range(2):
        plan = planned(planning, cursors={"cmdb": "c2"})
        assert (rows_of(plan), plan.summary.rows, plan.summary.counts.unchanged) == ([], 0, 4)
    assert planning.ledger.enriched.read("cmdb_devices").equals(before)
    assert planning.ledger.syncs.read("cmdb_devices").version == version
    assert apply_plan(planning, plan, tenant) == 0
    assert planning.ledger.syncs.read("cmdb_devices").cursors == {"cmdb": "c2"}


@pytest.mark.parametrize("is_full", [True, False])
def test_what_is_known_is_read_in_pieces(
    planning: Planning, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    estate = {f"PC-{number:02}": {OWNER: "A", SITE: "S"} for number in range(40)}
    applied(planning, estate)
    unsettled = known(
        *(
            {"key": f"pc-{n:02}", "value": "A", "open_value": "B", "state": "open"}
            for n in range(30)
        )
    )
    planning.ledger.enriched.save("cmdb_devices", unsettled)
    monkeypatch.setattr(module, "KNOWN_ROWS", 7)
    some = {key: {OWNER: "C"} for key in list(estate)[::3]}
    source = full(some, is_complete=is_full, is_full=is_full)
    plan = planned(planning, some, source=source, bounds=["pc-11", "pc-30x"])
    changed = {row[0] for row in rows_of(plan) if row[2] == "C"}
    assert changed == {key.lower() for key in some}
    others = {row[0] for row in rows_of(plan) if row[2] == "B"}
    left_open = {f"pc-{n:02}" for n in range(30)} - changed
    assert others == (set() if is_full else left_open)
    assert plan.summary.counts.absent_keys == (26 if is_full else 0)


def test_another_identification_sets_all_anew_and_empties_nothing(
    planning: Planning, tmp_path: Path
) -> None:
    tenant = applied(planning)
    other = sync_specification(identification={"name": UID, "column": "uid"})
    changed = planning_at(tmp_path, planning.ledger, other)
    estate = {"uid-1": {OWNER: "A1"}}
    plan = planned(changed, estate)
    assert rows_of(plan) == [("uid-1", OWNER, "A1", "set")]
    assert plan.summary.known_keys == plan.summary.counts.absent_keys == 0
    assert planning.ledger.enriched.counts("cmdb_devices").keys == 3
    apply_plan(changed, plan, tenant)
    assert planning.ledger.enriched.read("cmdb_devices")["key"].to_list() == ["uid-1"]
    assert rows_of(planned(changed, estate)) == []


def test_a_field_that_is_mapped_no_more_is_told(planning: Planning, tmp_path: Path) -> None:
    applied(planning)
    fewer = planning_at(tmp_path, planning.ledger, sync_specification(fields={OWNER: {}}))
    plan = planned(fewer, {key: {OWNER: "A" + key[-1]} for key in ("PC-1", "PC-2")})
    assert (rows_of(plan), plan.summary.counts.unmapped) == ([], 2)


def test_a_text_that_the_ledger_cannot_keep_stops_the_plan_before_anything_is_sent(
    planning: Planning,
) -> None:
    for estate in ({"PC-1": {OWNER: "MARKED\0"}}, {"MARKED" * 200: {OWNER: "A"}}):
        with pytest.raises(DataRefusedError) as caught:
            planned(planning, estate)
        assert "MARKED" not in str(caught.value)


# Guards -------------------------------------------------------------------------------------------


def test_guards_watch_what_a_plan_comes_to(tmp_path: Path, ledger: Ledger) -> None:
    guards = {"shrink": 0.2, "changes": 0.5, "clears": 0.1}
    planning = planning_at(tmp_path, ledger, sync_specification(guards=guards))
    estate = {f"PC-{number:02}": {OWNER: "A"} for number in range(30)}
    first = planned(planning, estate)
    assert first.summary.findings == ()
    apply_plan(planning, first, Tenant())
    half = {key: {OWNER: "B"} for key in list(estate)[:15]}
    cut = planned(planning, half, accepted={"shrink": "agreed"})
    assert [found.guard for found in cut.summary.findings] == [Guard.SHRINK]
    assert cut.record.accepted == {"shrink": "agreed"}
    changed = planned(planning, {key: {OWNER: "B"} for key in list(estate)[:16]} | {})
    assert [found.guard for found in changed.summary.findings][:1] == [Guard.SHRINK]
    more = planned(planning, {key: {OWNER: "B"} for key in estate})
    assert [found.guard for found in more.summary.findings] == [Guard.CHANGES]
    fewer = planned(planning, {key: {OWNER: "" if key < "PC-04" else "A"} for key in estate})
    assert [found.guard for found in fewer.summary.findings] == [Guard.CLEARS]
    (found,) = load_plan(planning, fewer.plan_id).summary.findings
    assert (found.count, found.whole, found.limit) == (4, 30, 0.1)
    empty = planned(planning, {})
    assert [found.guard for found in empty.summary.findings] == [Guard.EMPTY]


def guarding(planning: Planning, estate: Estate, **more: Any) -> tuple[SyncPlan, list[str]]:
    plan = planned(planning, estate, **more)
    return plan, [found.guard for found in plan.summary.findings]


def test_guards_count_keys_that_are_lost_or_new_and_not_how_many_there_are(
    tmp_path: Path, ledger: Ledger
) -> None:
    planning = planning_at(tmp_path, ledger, sync_specification(guards={}, mode="upsert"))
    estate = {f"PC-{number:02}": {OWNER: "A"} for number in range(40)}
    tenant = applied(planning, estate)
    others = {f"other {number}": {OWNER: "A"} for number in range(40)}
    assert guarding(planning, others)[1] == [Guard.SHRINK, Guard.NEW]
    more = {key: values | {SITE: "S"} for key, values in estate.items()}
    assert guarding(planning, more)[1] == [Guard.SETS]
    # Values that an upsert leaves are lost once, and add up only over the days.
    keys = list(estate)
    for day, (left, tripped) in enumerate(((33, []), (27, []), (23, [Guard.CUMULATIVE]))):
        later = replace(planning, now=NOW + day * DAY)
        plan, found = guarding(later, {key: estate[key] for key in keys[:left]})
        assert found == tripped
        assert plan.summary.lost == (7, 6, 4)[day]
        if not found:
            apply_plan(later, plan, tenant)
    weeks = replace(planning, now=NOW + 9 * DAY)
    assert guarding(weeks, {key: estate[key] for key in keys[:23]})[1] == []


@pytest.mark.parametrize(("mode", "tripped"), [("mirror", ["shrink", "new"]), ("upsert", ["new"])])
def test_a_home_of_an_earlier_release_knows_which_keys_were_missing_before(
    tmp_path: Path, ledger: Ledger, mode: str, tripped: list[str]
) -> None:
    planning = planning_at(tmp_path, ledger, sync_specification(guards={}, mode=mode))
    applied(planning, {f"PC-{number:02}": {OWNER: "A"} for number in range(25)})
    last = planning.ledger.plans.last_full("cmdb_devices")
    assert last is not None
    kept = {name: value for name, value in last.summary.items() if name != "still_lost"}
    planning.ledger.plans.add(
        replace(last, plan_id="older", summary=kept, version=last.version + 1)
    )
    others = {f"other {number}": {OWNER: "A"} for number in range(25)}
    assert guarding(planning, others)[1] == tripped


def test_what_is_emptied_day_by_day_adds_up_until_a_person_accepts_it(
    tmp_path: Path, ledger: Ledger
) -> None:
    planning = planning_at(tmp_path, ledger, sync_specification(guards={}))
    estate = {f"PC-{number:02}": {OWNER: "A"} for number in range(40)}
    tenant = applied(planning, estate)
    for day, tripped in ((1, []), (2, []), (3, [Guard.CUMULATIVE]), (4, [])):
        later = replace(planning, now=NOW + day * DAY)
        emptied = {key: {OWNER: "" if n < 3 * day else "A"} for n, key in enumerate(estate)}
        accepted = dict.fromkeys(tripped, "they left")
        plan, found = guarding(later, emptied, accepted=accepted)
        assert found == tripped
        apply_plan(later, plan, tenant)


# Absences -----------------------------------------------------------------------------------------


def test_a_key_is_emptied_when_two_complete_scans_in_a_row_lack_it(planning: Planning) -> None:
    tenant = applied(planning)
    fewer = {key: values for key, values in ESTATE.items() if key != "PC-1"}
    changes = full(fewer, is_complete=False, is_full=False)
    first = planned(planning, fewer)
    assert (rows_of(first), first.summary.counts.absent_keys) == ([], 1)
    assert rows_of(planned(planning, fewer, source=changes)) == []
    second = planned(planning, fewer)
    assert [row[::3] for row in rows_of(second)] == [("pc-1", "clear")] * 2
    apply_plan(planning, second, tenant)
    assert {key for key, _ in tenant.holds} == {"pc-2", "pc-3"}
    third = planned(planning, fewer)
    assert (rows_of(third), third.summary.counts.absent_keys) == ([], 0)
    assert planning.ledger.absences.count("cmdb_devices") == 0


def test_a_key_that_comes_back_in_between_begins_anew(planning: Planning) -> None:
    applied(planning)
    fewer = {"PC-2": ESTATE["PC-2"], "PC-3": ESTATE["PC-3"]}
    planned(planning, fewer)
    planned(planning, ESTATE)
    assert planning.ledger.absences.count("cmdb_devices") == 0
    assert rows_of(planned(planning, fewer)) == []


def test_a_scan_that_breaks_off_is_none(planning: Planning) -> None:
    applied(planning)

    def broken() -> Any:
        yield wanted({}, None, "pc-2")
        raise UsageError("gone")

    for _ in range(2):
        with pytest.raises(UsageError):
            make_plan(planning, broken(), full({}))
    assert planning.ledger.absences.count("cmdb_devices") == 0


# Staleness ----------------------------------------------------------------------------------------


def test_a_plan_is_stale_when_anything_it_was_made_from_has_moved_on(
    planning: Planning, tmp_path: Path
) -> None:
    plan = planned(planning)
    assert load_plan(planning, plan.plan_id).summary == plan.summary
    edited = planning_at(tmp_path, planning.ledger, sync_specification(domain="other"))
    with pytest.raises(StaleError, match="YAML has changed"):
        load_plan(edited, plan.plan_id)
    assert load_plan(replace(planning, now=NOW + DAY), plan.plan_id)
    with pytest.raises(StaleError, match="24 hours"):
        load_plan(replace(planning, now=NOW + DAY + HOUR), plan.plan_id)
    other = planned(planning)
    planning.ledger.plans.start(other.plan_id)
    with pytest.raises(StaleError, match="another plan"):
        load_plan(planning, plan.plan_id)
    assert load_plan(planning, other.plan_id).record.state == "applying"
    with pytest.raises(UsageError, match="no plan"):
        load_plan(planning, "nobody")


def test_a_plan_with_other_bytes_or_none_is_refused(planning: Planning) -> None:
    plan = planned(planning)
    content = plan.path.read_bytes()
    plan.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StaleError, match="sha-256"):
        load_plan(planning, plan.plan_id)
    with pytest.raises(StaleError, match="sha-256"):
        next(plan.chunks())
    plan.path.unlink()
    with pytest.raises(StaleError, match="gone"):
        load_plan(planning, plan.plan_id)


def test_an_applied_plan_comes_as_it_is(planning: Planning) -> None:
    plan = planned(planning)
    tenant = Tenant()
    assert apply_plan(planning, plan, tenant) == 4
    plan.path.unlink()
    late = replace(planning, now=NOW + 9 * DAY)
    assert load_plan(late, plan.plan_id).record.state == "applied"


def test_samples_show_no_value(planning: Planning) -> None:
    estate = {f"MARKED-{n}": {OWNER: f"MARKED owner {n}", SITE: "M"} for n in range(9)}
    applied(planning, estate)
    changed = {key: {OWNER: values[OWNER] + "!", SITE: ""} for key, values in estate.items()}
    plan = planned(planning, changed | {"new": {TYPE: "1"}})
    samples = plan.samples(2)
    assert [sample.action for sample in samples] == ["set", "change", "change", "clear", "clear"]
    assert (samples[0].after, samples[1].key) == ("… (1)", "m… (8)")
    assert (samples[1].before, samples[1].after) == ("M… (14)", "M… (15)")
    assert (samples[-1].before, samples[-1].after) == ("… (1)", "empty")
    assert "MARKED" not in f"{samples} {plan!r} {plan.summary} {plan.record}"


# Recovery and retry -------------------------------------------------------------------------------


def states(planning: Planning) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = planning.ledger.enriched.read("cmdb_devices")
    return {
        (key, name): (value, open_value, state)
        for key, name, value, open_value, state in rows.select(
            "key", "field", "value", "open_value", "state"
        ).iter_rows()
    }


def test_what_a_killed_apply_may_have_sent_is_open_and_sent_again(planning: Planning) -> None:
    tenant = Tenant()
    killed(planning, planned(planning), tenant, sent=2)
    assert recover(planning) == 4
    assert states(planning)["pc-1", OWNER] == (None, "A1", "open")
    assert recover(planning) == 0
    # The source no longer has it: what may have been written is emptied, once it is surely ours.
    emptied = {"PC-1": {OWNER: "", SITE: "S1"}, "PC-2": {OWNER: ""}, "PC-3": {SITE: "S3"}}
    plan = planned(planning, emptied)
    assert [row[2:] for row in rows_of(plan) if row[1] == OWNER] == [
        ("A1", "settle"),
        ("", "clear"),
        ("A2", "settle"),
        ("", "clear"),
    ]
    apply_plan(planning, plan, tenant)
    assert tenant.holds == {("pc-1", SITE): "S1", ("pc-3", SITE): "S3"}


def test_what_a_killed_apply_has_saved_is_not_opened(planning: Planning) -> None:
    plan, tenant = planned(planning), Tenant()
    planning.ledger.plans.start(plan.plan_id)
    (rows,) = plan.chunks()
    planning.ledger.plans.begin(plan.plan_id, "pc-3")
    send_rows(planning, plan.plan_id, rows.head(3), tenant)
    assert recover(planning) == 1
    assert states(planning)["pc-3", SITE] == (None, "S3", "open")
    assert states(planning)["pc-1", OWNER] == ("A1", None, "acknowledged")


@pytest.mark.parametrize("died", ["before the settle", "after it", "after the clear", "saved"])
def test_a_settle_and_its_clear_are_told_apart(planning: Planning, died: str) -> None:
    planning.ledger.enriched.save(
        "cmdb_devices", known({"key": "pc-1", "open_value": "B", "state": "open"})
    )
    tenant = Tenant()
    tenant.send("pc-1", OWNER, "B")
    estate = {"PC-1": {OWNER: ""}}
    plan = planned(planning, estate)
    planning.ledger.plans.start(plan.plan_id)
    (rows,) = plan.chunks()
    planning.ledger.plans.begin(plan.plan_id, "pc-1")
    send_rows(planning, plan.plan_id, rows.head(1), tenant, save=died != "before the settle")
    if died in ("after the clear", "saved"):
        send_rows(planning, plan.plan_id, rows.tail(1), tenant, save=died == "saved")
    recover(planning)
    expected = {
        "before the settle": (None, "B", "open"),
        "after it": ("B", "", "open"),
        "after the clear": ("B", "", "open"),
        "saved": ("", None, "acknowledged"),
    }
    assert states(planning)["pc-1", OWNER] == expected[died]
    assert recover(planning) == 0
    # The source has the value again, so it is written, whatever the clear did.
    apply_plan(planning, planned(planning, {"PC-1": {OWNER: "B"}}), tenant)
    assert tenant.holds == {("pc-1", OWNER): "B"}


def test_a_value_that_may_be_there_is_not_forgotten_when_the_next_one_is_refused(
    planning: Planning,
) -> None:
    tenant = Tenant(refuses={"bad"})
    killed(planning, planned(planning, {"PC-1": {OWNER: "A"}}), tenant, sent=1)
    plan = planned(planning, {"PC-1": {OWNER: "bad"}})
    assert [row[2:] for row in rows_of(plan)] == [("A", "settle"), ("bad", "change")]
    apply_plan(planning, plan, tenant)
    assert states(planning)["pc-1", OWNER] == ("A", "bad", "rejected")
    apply_plan(planning, planned(planning, {"PC-1": {OWNER: ""}}), tenant)
    assert tenant.holds == {}


def test_without_its_file_all_keys_of_a_killed_apply_are_sent_again(planning: Planning) -> None:
    tenant = applied(planning)
    changed = {**ESTATE, "PC-1": {OWNER: "B1", SITE: "S1"}}
    plan = planned(planning, changed)
    killed(planning, plan, tenant, sent=1)
    plan.path.unlink()
    # The source has its old value again, and nobody knows what the tenant holds.
    assert recover(planning) == 2
    apply_plan(planning, planned(planning), tenant)
    assert tenant.holds["pc-1", OWNER] == "A1"


def test_a_killed_apply_is_gone_on_with(planning: Planning) -> None:
    tenant = Tenant()
    killed(planning, planned(planning), tenant, sent=3)
    plan = load_plan(planning, planning.ledger.plans.of("cmdb_devices")[0].plan_id)
    apply_plan(planning, plan, tenant)
    assert rows_of(planned(planning)) == []


def test_a_retry_plans_what_is_not_taken_and_moves_no_cursor(planning: Planning) -> None:
    tenant = Tenant(refuses={"A2"}, unknown={"pc-3"})
    apply_plan(planning, planned(planning, cursors={"cmdb": "c"}), tenant)
    assert (rows_of(planned(planning)), planned(planning).summary.counts.waiting) == (
        [("pc-3", SITE, "S3", "set")],
        1,
    )
    tenant.refuses, tenant.unknown = set(), set()
    plan = retry_plan(planning)
    assert rows_of(plan) == [("pc-2", OWNER, "A2", "set"), ("pc-3", SITE, "S3", "set")]
    assert plan.summary.source is None
    apply_plan(planning, plan, tenant)
    assert planning.ledger.syncs.read("cmdb_devices").cursors == {"cmdb": "c"}
    assert {state for *_, state in states(planning).values()} == {ValueState.ACKNOWLEDGED}
    assert rows_of(retry_plan(planning)) == []


def test_what_a_person_takes_back_does_not_add_up_with_the_losses_of_other_days(
    planning: Planning,
) -> None:
    plans, made = planning.ledger.plans, planned(planning).record
    emptied = {**made.summary, "counts": {**made.summary["counts"], "cleared_keys": 5}}
    for name, summary in {"undo": {**emptied, "undoes": made.plan_id}, "plan": emptied}.items():
        version = planning.ledger.syncs.read(planning.sync).version
        plans.add(replace(made, plan_id=name, summary=summary, version=version))
        plans.start(name)
        found = lately(planning.ledger, planning.sync, NOW - DAY, 7 * DAY)
        assert found.cleared == (0 if name == "undo" else 5)
