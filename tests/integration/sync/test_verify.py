"""Reading back: what Nexthink holds is compared with what it acknowledged, and corrected."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import DataRefusedError, PartlyDoneError
from connectors.lake.rejects import reject_files
from nxp.syncing import print_report
from tasks.stories.maintain import maintain
from tasks.upkeep.maintain import plan_upkeep
from tests.acting import Client, enrichment
from tests.landing import NOW
from tests.syncing import BROKER, OWNER, POOL, SYNC_NAME, TAG, UPDATED, Rows, Syncing, syncing

UID = "device/device/uid"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TAKES = {
    "on_conflict": "take",
    "guards": {"shrink": 1, "changes": 1, "clears": 1, "overwrites": 1},
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    yield from _made(tmp_path, monkeypatch)


def _made(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Syncing]:
    with syncing(folder, devices=60, **options) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        yield ready


def rows_of(uids: list[str], **more: str) -> Rows:
    return [{"uid": uid, "owner": f"owner {n}", **more} for n, uid in enumerate(uids)]


def last_verified(made: Syncing) -> dict[str, Any]:
    with made.ledger() as ledger:
        (run,) = ledger.runs(SYNC_NAME, 1)
    verified: dict[str, Any] = run["report"]["verified"]
    return verified


def edit(made: Syncing, uid: str, **fields: Any) -> None:
    """Write as an administrator does."""
    with Client(made.place.tenant) as client:
        client.enrich(enrichment(UID, uid, {f"device/device/#{k}": v for k, v in fields.items()}))


def test_what_somebody_edits_is_noticed_within_a_day_listed_and_left_alone(made: Syncing) -> None:
    uids = made.uids()
    made.write(rows_of(uids))
    made.sync(now=NOW)
    edit(made, uids[5], asset_owner="edited")
    before, exports = made.requests, made.exports
    made.sync(now=NOW + HOUR)
    assert made.exports == exports, "nothing to send, and read within the last day: no read"
    with pytest.raises(PartlyDoneError, match=r"1 values .* set by others since, or altered"):
        made.sync(now=NOW + 1.1 * DAY)
    assert made.requests == before
    checked = last_verified(made)
    assert (checked["differs"], checked["not_found"], checked["theirs"]) == (0, 0, 1)
    assert checked["confirmed"] == len(uids) - 1
    (theirs,) = made.known().filter(state="theirs").to_dicts()
    assert (theirs["key"], theirs["value"], theirs["open_value"]) == (uids[5], None, "owner 5")
    (file,) = reject_files(made.place.lake, SYNC_NAME)
    assert [reject.reasons for reject in file.rows()] == [(f"{OWNER}: set by others",)]
    assert file.raw() == [uids[5]]
    for days in (2.2, 10):
        report = made.sync(now=NOW + days * DAY)
        assert report["planned"]["counts"]["theirs"] == 1
    assert made.held(OWNER)[uids[5]] == "edited"
    # Once it is empty again, it is ours to set.
    edit(made, uids[5], asset_owner="")
    assert made.sync(now=NOW + 12 * DAY)["convergence"] == 100.0
    assert made.held(OWNER)[uids[5]] == "owner 5"


def test_what_somebody_edits_is_theirs_also_where_our_next_value_was_refused(made: Syncing) -> None:
    made.specify(fields={OWNER: {"column": "owner", "longest": 200}})
    uids = made.uids()
    rows = rows_of(uids)
    made.write(rows)
    made.sync(now=NOW)
    rows[3]["owner"] = "x" * 80
    made.write(rows)
    with pytest.raises(DataRefusedError, match="1 rejected"):
        made.sync(now=NOW + HOUR)
    edit(made, uids[3], asset_owner="edited")
    made.sync(now=NOW + 1.5 * DAY)
    (refused,) = made.known().filter(state="rejected").to_dicts()
    assert (refused["value"], refused["open_value"]) == (None, "x" * 80)
    made.write(rows_of(uids)[:3] + rows_of(uids)[4:])
    for days in (2, 3, 4):
        made.sync(now=NOW + days * DAY)
    assert made.held(OWNER)[uids[3]] == "edited"


def test_what_does_not_stay_is_tried_less_often(made: Syncing) -> None:
    uids = made.uids()
    made.write(rows_of(uids))
    made.sync(now=NOW)
    now = NOW
    for days in (1, 2, 4, 7, 7):
        # As before our value: nothing.
        edit(made, uids[5], asset_owner="")
        now += 1.1 * DAY
        with pytest.raises(PartlyDoneError, match=r"1 of \d+ acknowledged values do not read back"):
            made.sync(now=now)
        (unknown,) = made.known().filter(state="unknown").to_dicts()
        waits = unknown["retry_at"] - now
        assert timedelta(days=days) <= waits < timedelta(days=days, minutes=5)
        now = unknown["retry_at"] + timedelta(minutes=1)
        made.sync(now=now, verify=False)
        assert made.held(OWNER)[uids[5]] == "owner 5"


def test_retry_does_not_wait(made: Syncing) -> None:
    uids = made.uids()
    made.write(rows_of(uids))
    made.sync(now=NOW)
    edit(made, uids[5], asset_owner="")
    with pytest.raises(PartlyDoneError):
        made.sync(now=NOW + 1.1 * DAY)
    report = made.retry(now=NOW + 1.2 * DAY)
    assert (report["objects"], report["convergence"]) == (1, 100.0)
    assert made.held(OWNER)[uids[5]] == "owner 5"


def test_what_was_acknowledged_and_lost_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in _made(tmp_path, monkeypatch, enrichment_takes_unknown=True):
        uids = made.uids()
        made.write(rows_of([*uids, "nobody"]))
        with pytest.raises(PartlyDoneError):
            made.sync()
        checked = last_verified(made)
        assert (checked["differs"], checked["not_found"]) == (0, 1)
        (file,) = reject_files(made.place.lake, SYNC_NAME)
        assert (file.rows()[0].reasons, file.raw()) == ((f"{OWNER}: not found",), ["nobody"])


@pytest.mark.parametrize("form", ["local", pytest.param("iso-ms", marks=pytest.mark.slow), "utc"])
def test_values_of_every_kind_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    zone = "Europe/Zurich" if form == "local" else "UTC"
    for made in _made(tmp_path, monkeypatch, datetime_format=form, time_zone=zone):
        made.specify(**TAKES)
        rows = rows_of(made.uids(), pool='a "b", c', updated="2026-10-03T15:00:00.250Z")
        for n, row in enumerate(rows):
            row["broker"] = str(n % 7 + 1)
        made.write(rows)
        report = made.sync()
        assert (report["convergence"], report["verified"]["differs"]) == (100.0, 0)
        assert report["verified"]["compared"] == 4 * len(rows)
        assert {row["field"] for row in made.known().to_dicts()} == {OWNER, BROKER, POOL, UPDATED}


def test_values_that_show_later_are_waited_for(made: Syncing) -> None:
    made.specify(verify={"query_id": "#assets_readback", "after": "5min"})
    made.place.tenant.enrichment.delay = 0.2
    made.write(rows_of(made.uids()))
    # The test's five minutes are 0.3 s.
    assert made.sync()["convergence"] == 100.0


def test_a_read_back_beyond_the_daily_limit_is_left_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for made in _made(tmp_path, monkeypatch, daily_exports=1):
        uids = made.uids()
        made.write(rows_of(uids))
        report = made.sync(now=NOW + 2 * HOUR)
        assert (report["acknowledged"], report["verified"], report["error"]) == (
            len(uids),
            None,
            None,
        )
        print_report(report, as_json=False)
        assert "read back by the next run: " in capsys.readouterr().err
        exports = made.exports
        made.place.tenant.quotas.give_back("export", call=False)
        # Less than a day after the first read, and with nothing to send.
        again = made.sync(now=NOW + 25 * HOUR)
        assert (again["objects"], again["convergence"]) == (0, 100.0)
        assert (again["read_later"], made.exports) == (None, exports + 1)


def test_a_result_that_is_cut_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in _made(tmp_path, monkeypatch, row_limit=30):
        made.write(rows_of(made.uids()))
        with pytest.raises(DataRefusedError, match=r"HTTP 206.*nothing was decided"):
            made.sync()
        assert (made.known().height, made.requests) == (0, 0)


QUERIES = {
    "does not list device.#asset_owner": "devices during past 30d | list device.uid",
    "reads back 0 objects": (
        'devices during past 30d | where device.name == "nobody" | list device.uid, '
        "device.#asset_owner, device.#asset_tag, device.virtualization.desktop_broker, "
        "device.virtualization.desktop_pool, device.virtualization.last_update"
    ),
}


@pytest.mark.parametrize("said", QUERIES)
def test_a_query_that_cannot_tell_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with syncing(tmp_path, devices=60) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        query = Path(made.place.environment["NXP_CATALOG"]) / "queries" / "assets_readback.nql"
        query.write_text(QUERIES[said], "utf-8")
        made.write(rows_of(made.uids()))
        with pytest.raises(DataRefusedError, match=said):
            made.sync()
        assert (made.known().height, made.requests) == (0, 0)
        assert made.held(TAG) == {}


def test_what_a_sync_leaves_is_kept_for_its_retention(made: Syncing) -> None:
    made.specify(retention="7d")
    made.write(rows_of(made.uids()))
    made.sync()
    written = datetime.now(UTC)
    folders = [made.place.lake.folder / name for name in ("_plans", "_changes")]

    def left() -> list[int]:
        return [len(list(folder.rglob("*.parquet"))) for folder in folders]

    before = left()
    assert all(before)
    for days, expected in ((6, before), (8, [0, 0])):
        maintain(plan_upkeep(SYNC_NAME, "7d"), partial(_at, written + days * DAY))
        assert left() == expected
    with made.ledger() as ledger:
        assert ledger.plans.of(SYNC_NAME) == []
    assert made.sync()["values"] == {}


def _at(instant: datetime) -> datetime:
    return instant
