"""A sync in a tenant where others have set values, and go on doing so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PartlyDoneError,
    PipelineError,
    UsageError,
)
from nxp.cli import run
from nxp.syncing import print_plan, print_report
from tasks.stories import sync as stories
from tasks.sync.asked import SyncAsked
from tasks.sync.report import summary_of
from tasks.sync.retiring import choose_retired
from tasks.sync.run import choose_sync
from tests.acting import Client, enrichment
from tests.landing import NOW
from tests.syncing import OWNER, TAG, Rows, Syncing, syncing

UID = "device/device/uid"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GUARDS = {"shrink": 1, "changes": 1, "clears": 1}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=40) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        yield ready


def edit(made: Syncing, values: dict[str, str], field: str = OWNER) -> None:
    """Write as an administrator does, by uid."""
    with Client(made.place.tenant) as client:
        client.enrich(*(enrichment(UID, uid, {field: value}) for uid, value in values.items()))


def catalog(made: Syncing) -> Path:
    return Path(made.place.environment["NXP_CATALOG"])


def rows_of(uids: list[str]) -> Rows:
    return [{"uid": uid, "owner": f"owner {n}"} for n, uid in enumerate(uids)]


def planned(report: dict[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = report["planned"]["counts"]
    named = {name: count for name, count in counts.items() if "keys" not in name}
    return {name: count for name, count in named.items() if count and name != "unchanged"}


def test_values_of_others_are_left_alone_and_named(
    made: Syncing, capsys: pytest.CaptureFixture[str]
) -> None:
    uids = made.uids()
    theirs, equal = uids[:7], uids[7:10]
    edit(made, dict.fromkeys(theirs, "MARK-theirs"))
    edit(made, {uid: f"owner {n}" for n, uid in enumerate(uids) if uid in equal})
    made.write(rows_of(uids))
    before = made.requests
    plan = made.plan(now=NOW)
    assert planned(plan) == {"set": len(uids) - 10, "theirs": 7, "same": 3}
    assert {(each["before"], each["set_by"]) for each in plan["samples"]} == {
        ("nothing", None),
        ("M… (11)", "others"),
    }
    print_plan(plan, as_json=False)
    said = capsys.readouterr()
    assert "7 values of others differ and are left alone" in said.err
    assert "MARK" not in said.out + said.err
    report = made.apply(now=NOW + HOUR)
    assert report["values"] == {"set": {"acknowledged": len(uids) - 10}}
    assert (report["waiting"], report["standing"]["theirs"]) == (0, 7)
    assert summary_of(report).endswith("; 7 values of others are left alone")
    assert made.requests > before
    assert [made.held(OWNER)[uid] for uid in theirs] == ["MARK-theirs"] * 7
    assert (report["convergence"], report["verified"]["left_alone"]) == (100.0, 7)
    exports = made.exports
    again = made.sync(now=NOW + 2 * HOUR)
    assert (planned(again)["theirs"], made.exports) == (7, exports), "known, so nothing is read"
    # What others have set as it was wanted is never emptied.
    made.write([{"uid": uid} for uid in uids])
    made.sync(now=NOW + 3 * HOUR)
    assert {uid: value for uid, value in made.held(OWNER).items() if value} == (
        dict.fromkeys(theirs, "MARK-theirs")
        | {uid: f"owner {n}" for n, uid in enumerate(uids) if uid in equal}
    )


def test_values_of_others_count_as_there_and_not_as_sent(made: Syncing) -> None:
    made.specify(fields={OWNER: {"column": "owner", "longest": 200}}, guards={"first": 3})
    uids = made.uids()
    edit(made, {uid: f"owner {n}" for n, uid in enumerate(uids[1:], 1)})
    rows = [*rows_of(uids)[1:], *({"uid": f"nobody {n}", "owner": "x"} for n in range(3))]
    made.write(rows)
    report = made.sync(now=NOW)
    assert (report["no_such_object"], report["waiting"]) == (3, 3)
    made.write([{"uid": uids[0], "owner": "x" * 80}, *rows])
    with pytest.raises(DataRefusedError, match="1 rejected"):
        made.sync(now=NOW + HOUR)
    again = made.sync(now=NOW + 2 * HOUR)
    assert (again["refused"], again["refused_fields"]) == (1, ())


def test_an_edit_after_the_last_read_back_is_neither_emptied_nor_replaced(made: Syncing) -> None:
    first, second, third, *others = made.uids()
    made.write(rows_of([first, second, third, *others]))
    made.sync(now=NOW)
    edit(made, {first: "edited", second: "edited too"})
    rows = rows_of([first, second, third, *others])
    rows[0]["owner"], rows[1]["owner"], rows[2]["owner"] = "", "changed", ""
    made.write(rows)
    with pytest.raises(PartlyDoneError, match="2 values of this sync were set by others since"):
        made.sync(now=NOW + HOUR)
    with made.ledger() as ledger:
        report = ledger.runs("assets", 1)[0]["report"]
    assert report["values"] == {"clear": {"acknowledged": 1}}
    assert planned(report)["theirs"] == 2
    held = made.held(OWNER)
    assert (held[first], held[second], held[third]) == ("edited", "edited too", None)
    # Also between a plan and its apply.
    rows[3]["owner"], rows[4]["owner"] = "", "changed"
    made.write(rows)
    assert planned(made.plan(now=NOW + 2 * HOUR))["clear"] == 1
    edit(made, {others[0]: "edited", others[1]: "edited too"})
    with pytest.raises(PartlyDoneError, match="set by others since"):
        made.apply(now=NOW + 3 * HOUR)
    held = made.held(OWNER)
    assert (held[others[0]], held[others[1]]) == ("edited", "edited too")
    with made.ledger() as ledger:
        assert ledger.runs("assets", 1)[0]["report"]["met"] == {"theirs": 2}


def test_values_of_others_are_taken_if_a_person_accepts_it_and_given_back(
    made: Syncing,
) -> None:
    uids = made.uids()
    edit(made, dict.fromkeys(uids[:5], "theirs"))
    edit(made, {uids[0]: "theirs"}, TAG)
    made.specify(on_conflict="take", guards=GUARDS)
    made.write(rows_of(uids))
    with pytest.raises(DataRefusedError, match=r"overwrites: 5 of 5 values of others"):
        made.sync(now=NOW)
    assert set(made.held(OWNER).values()) == {"theirs"}
    report = made.sync(now=NOW + HOUR, accept_guards=("overwrites",), why="agreed with the owners")
    assert report["values"]["overwrite"] == {"acknowledged": 5}
    changes = pl.read_parquet(list(made.place.lake.folder.glob("_changes/sync=assets/*/*.parquet")))
    kept = changes.filter(action="overwrite").select("key", "before", "set_by").rows()
    assert sorted(kept) == sorted((uid, "theirs", "others") for uid in uids[:5])
    # One is changed by its owner since, and one by the sync.
    edit(made, {uids[0]: "back by hand"})
    rows = rows_of(uids)
    rows[1]["owner"] = "newer"
    made.write(rows)
    with pytest.raises(PartlyDoneError):
        made.sync(now=NOW + 2 * HOUR)
    undone = stories.undo(
        choose_sync("assets"), report["plan_id"], made.place.clock(NOW + 3 * HOUR)
    )
    assert planned(undone) == {"restore": 3, "clear": len(uids) - 5}
    assert set(made.held(OWNER).values()) >= {"back by hand", "newer", "owner 2"}
    back = made.apply(undone["plan_id"], now=NOW + 4 * HOUR)
    assert back["values"]["restore"] == {"acknowledged": 3}
    held = made.held(OWNER)
    assert [held[uid] for uid in uids[:6]] == ["back by hand", "newer", *["theirs"] * 3, None]
    assert set(made.known().filter(state="theirs")["key"]) >= set(uids[2:5])
    with pytest.raises(UsageError, match="no plan nothing"):
        stories.undo(choose_sync("assets"), "nothing")


def undo(made: Syncing, report: dict[str, Any], after: timedelta) -> dict[str, Any]:
    clock = made.place.clock(NOW + after)
    return stories.undo(choose_sync("assets"), report["plan_id"], clock)


def test_a_value_given_back_without_an_answer_never_becomes_ours(made: Syncing) -> None:
    four = made.uids()[:4]
    edit(made, dict.fromkeys(four[:3], "theirs"))
    made.specify(on_conflict="take", guards={**GUARDS, "overwrites": 1})
    made.write(rows_of(four))
    taken = made.sync(now=NOW)
    undone = undo(made, taken, HOUR)
    # Nothing arrives: what is left is planned again.
    made.place.tenant.faults.add("503@enrich:12")
    with pytest.raises(PipelineError, match=f"nxp undo {taken['plan_id']} plans what is left"):
        made.apply(undone["plan_id"], now=NOW + HOUR)
    known = made.known()
    assert "theirs" not in {*known["value"], *known["open_value"]}
    assert planned(undo(made, taken, 1.5 * HOUR)) == planned(undone) == {"restore": 3, "clear": 1}
    # All arrives, and no answer comes.
    made.place.tenant.faults.clear()
    made.place.tenant.faults.add("timeout-after@enrich:12")
    back = made.apply(now=NOW + 2 * HOUR)
    assert (back["confirmed"], back["unknown"], back["error"]) == (4, 0, None)
    assert sorted(made.known()["state"]) == ["acknowledged", *["theirs"] * 3]
    assert made.held(OWNER) == dict.fromkeys(four[:3], "theirs") | {four[3]: None}
    changes = pl.read_parquet(list(made.place.lake.folder.glob("_changes/sync=assets/*/*.parquet")))
    assert changes.filter(action="restore")["after"].to_list() == ["theirs"] * 3


def test_without_a_query_that_reads_only_sets_go_out_and_only_by_apply(
    made: Syncing, capsys: pytest.CaptureFixture[str]
) -> None:
    uids = made.uids()
    made.specify(verify=None)
    made.write(rows_of(uids))
    with pytest.raises(ConfigurationError, match=r"devices during past 30d \| list device.uid"):
        made.sync(now=NOW)
    plan = made.plan(now=NOW)
    # Before a flow begins: there is no server.
    for command in (["sync", "assets"], ["undo", plan["plan_id"]]):
        assert run([*command, "--prefect"]) == 3
        assert "assets has no verify query" in capsys.readouterr().err
    print_plan(plan, as_json=False)
    assert "WARNING: assets has no verify query" in capsys.readouterr().err
    applied = made.apply(now=NOW)
    print_report(applied)
    assert "WARNING: assets has no verify query" in capsys.readouterr().err
    assert applied["acknowledged"] == len(uids)
    edit(made, {uids[0]: "edited"})
    made.write([{"uid": uid, "owner": "changed" if n else ""} for n, uid in enumerate(uids)])
    assert planned(made.plan(now=NOW + HOUR)) == {"not_seen": len(uids)}
    made.apply(now=NOW + HOUR)
    assert made.held(OWNER)[uids[0]] == "edited"
    assert made.exports == 0
    for is_there in (True, False):
        if not is_there:
            (catalog(made) / "syncs" / "assets.yaml").unlink()
        with pytest.raises(ConfigurationError, match=r"put its file, with verify, into syncs"):
            choose_retired("assets")


def test_a_sync_whose_file_is_gone_is_read_by_the_query_that_it_had(made: Syncing) -> None:
    (catalog(made) / "queries" / "assets_readback.nql").rename(
        catalog(made) / "queries" / "any_name.nql"
    )
    made.specify(verify={"query_id": "#any_name", "after": "0s"})
    uids = made.uids()
    made.write(rows_of(uids))
    made.sync(now=NOW)
    edit(made, {uids[0]: "edited"})
    (catalog(made) / "syncs" / "assets.yaml").unlink()
    accepted = SyncAsked(accept_guards=("retire",), why="no longer needed")
    clock = made.place.clock(NOW + HOUR)
    with pytest.raises(PartlyDoneError, match="1 values of this sync were set by others since"):
        stories.retire(choose_retired("assets"), accepted, clock=clock)
    held = made.held(OWNER)
    assert {uid: value for uid, value in held.items() if value} == {uids[0]: "edited"}


def test_a_custom_field_that_the_query_does_not_list_gets_no_value_unless_accepted(
    made: Syncing, caplog: pytest.LogCaptureFixture
) -> None:
    query = Path(made.place.environment["NXP_CATALOG"]) / "queries" / "assets_readback.nql"
    query.write_text("devices during past 30d | list device.uid, device.#asset_tag", "utf-8")
    both: dict[str, Any] = {OWNER: {"column": "owner"}, TAG: {"column": "tag"}}
    made.specify(fields=both)
    rows = [{**row, "tag": "T"} for row in rows_of(made.uids())]
    made.write(rows)
    with pytest.raises(PartlyDoneError, match=r"not list device.#asset_owner, so .* values wait"):
        made.sync(now=NOW)
    assert (made.held(OWNER), set(made.held(TAG).values())) == ({}, {"T"})
    made.specify(fields=both, verify={"query_id": "#assets_readback", "blind": [OWNER]})
    assert made.sync(now=NOW)["values"] == {"set": {"acknowledged": len(rows)}}
    assert "#assets_readback does not list device.#asset_owner" in caplog.text
    made.write([{**row, "owner": "", "tag": "U"} for row in rows])
    report = made.sync(now=NOW + HOUR)
    assert report["values"] == {"change": {"acknowledged": len(rows)}}
    assert planned(report) == {"change": len(rows), "not_seen": len(rows)}
    assert None not in made.held(OWNER).values()


def of_both(uids: list[str], *, swapped: bool = False) -> Rows:
    rows = [{"uid": uid, "owner": f"Person {n}", "tag": f"T-{n:04}"} for n, uid in enumerate(uids)]
    return [row | {"owner": row["tag"], "tag": row["owner"]} for row in rows] if swapped else rows


@pytest.mark.parametrize(
    "there", [pytest.param((OWNER, TAG), marks=pytest.mark.slow), (TAG,)], ids=len
)
def test_a_first_run_of_few_objects_whose_columns_are_swapped_stops(
    made: Syncing, there: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {OWNER: "owner", TAG: "tag"}
    uids = made.uids()
    made.specify(fields={name: {"column": column} for name, column in columns.items()})
    # Others have set the fields of some objects, and know of more.
    for name in there:
        known = {row["uid"]: row[columns[name]] for row in of_both(uids)}
        edit(made, dict(zip(uids[:30], list(known.values())[-30:], strict=True)), name)
    made.write(of_both(uids, swapped=True))
    before = made.requests
    assert run(["sync", "assets"]) == 6
    said = capsys.readouterr().err
    assert "nothing was sent: guard swapped: " in said
    assert f"values for {OWNER} are those that Nexthink holds in {TAG}" in said
    assert "--accept-guard swapped --why TEXT" in said
    assert made.requests == before
    made.write(of_both(uids))
    assert run(["sync", "assets"]) == 0


def test_fields_that_share_their_words_do_not_look_swapped(made: Syncing) -> None:
    made.specify(fields={OWNER: {"column": "owner"}, TAG: {"column": "tag"}})
    uids = made.uids()
    edit(made, {uid: f"Person {n}" for n, uid in enumerate(uids)})
    # The tag is another person, in a field that is new.
    made.write(
        [
            {"uid": uid, "owner": f"Person {n}", "tag": f"Person {n + 1}"}
            for n, uid in enumerate(uids[:-1])
        ]
    )
    assert made.plan(now=NOW)["planned"]["findings"] == ()
