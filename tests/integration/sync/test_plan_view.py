"""A plan as the person sees it who approves it: which field, from what, to what."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from connectors.errors import NotApprovedError
from tasks.sync.plan_file import PlanSummary, SyncPlan, file_sha256
from tasks.sync.plan_view import fields_markdown, plan_page, view_plan
from tests.acting import Client, enrichment
from tests.answers import validated
from tests.commands import called
from tests.syncing import OWNER, SYNC_NAME, TAG, Syncing, syncing

MARK = "<i>Zwölfboten</i>"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=25) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        yield ready


def test_a_plan_is_reviewed_with_its_values_by_its_owner_only(
    made: Syncing, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    uids = made.uids()
    made.write([{"uid": uid, "owner": MARK, "tag": f"T{n}"} for n, uid in enumerate(uids)])

    def decline(description: str) -> object:
        said.append(description)
        raise NotApprovedError("no")

    with pytest.raises(NotApprovedError):
        made.sync(decline)  # type: ignore[arg-type]
    shown = called("plan", "show", SYNC_NAME, capsys=capsys)
    assert shown.returncode == 0, shown.stderr
    printed = called("plan", "show", SYNC_NAME, "--full", "--json", capsys=capsys).stdout
    full = validated("plan", printed)
    counts = {row["field"]: row["set"] for row in full["fields"]}
    assert counts == {OWNER: len(uids), TAG: len(uids)}
    kinds = {row["field"]: (row["different"], row["held"]) for row in full["fields"]}
    assert kinds == {OWNER: (1, 0), TAG: (len(uids), 0)}
    assert (full["pairs"][0]["values"], full["pairs"][0]["after"]) == (len(uids), MARK)
    # No value of this field is frequent, so a swapped column would be overlooked without it.
    assert TAG in {row["field"] for row in full["pairs"]}
    assert len({row["key"] for row in full["examples"]}) == 10
    page = Path(full["page"])
    text = page.read_text("utf-8")
    assert page.stat().st_mode & 0o777 == 0o600
    assert "&lt;i&gt;Zwölfboten" in text
    assert "<i>" not in text
    (description,) = said
    assert f"| `{OWNER}` | {len(uids)} |" in description
    for without in (description, shown.stdout, shown.stderr):
        assert "Zwölfboten" not in without
        assert uids[0] not in without
    wrong = called("plan", SYNC_NAME, "other", capsys=capsys)
    assert (wrong.returncode, "nxp plan show" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_words_of_later_releases_are_shown_too(made: Syncing, tmp_path: Path) -> None:
    uids = made.uids()
    with Client(made.place.tenant) as client:
        client.enrich(*(enrichment("device/device/uid", uid, {OWNER: "b"}) for uid in uids[:3]))
    made.write([{"uid": uid, "owner": "a"} for uid in uids])
    made.plan()
    with made.ledger() as ledger:
        record = ledger.plans.of(SYNC_NAME, limit=1)[0]
        row = {"key": "k", "identity": "K", "field": OWNER, "before": "b", "after": ""}
        path = tmp_path / "later.parquet"
        pl.DataFrame(
            [{**row, "action": "theirs", "set_by": "others"}, {**row, "action": "bend"}]
        ).write_parquet(path)
        later = replace(record, sha256=file_sha256(path))
        plan = SyncPlan(later, PlanSummary.from_json(record.summary), path)
        view = view_plan(plan, ledger)
    counts = {"theirs": 1, "bend": 1, "different": 0, "held": 0, "waiting": 0, "rejected": 0}
    assert view.fields[0] == {"field": OWNER, **counts}
    assert view.verdict.endswith("1 bend; 1 value of others differs and is left alone")
    assert "| theirs | bend | different |" in fields_markdown(view)
    assert "others" in plan_page(view)
