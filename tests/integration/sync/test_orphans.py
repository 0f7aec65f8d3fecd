"""Syncs whose file was deleted or renamed: noticed, taken over, or emptied."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.errors import ConfigurationError, UsageError
from connectors.settings.installation import load_settings
from nxp.cli import run
from nxp.sync_orphans import orphan_notes
from tasks.stories import sync as stories
from tasks.sync.asked import SyncAsked
from tasks.sync.retiring import check_adoption, choose_retired
from tasks.sync.run import choose_sync
from tests.acting import Client, enrichment
from tests.landing import NOW
from tests.syncing import (
    BROKER,
    OWNER,
    READ_BACK,
    SYNC_NAME,
    TAG,
    TYPE,
    Syncing,
    sync_yaml,
    syncing,
)

UID = "device/device/uid"
MOVED = "moved"
# Virtual machines have values that nobody's sync has set.
TAKES: dict[str, Any] = {
    "on_conflict": "take",
    "guards": {"shrink": 1, "changes": 1, "clears": 1, "overwrites": 1},
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=25) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        fields = {OWNER: {"column": "owner"}, BROKER: {"column": "broker"}, TYPE: {"column": "tag"}}
        queries = Path(ready.place.environment["NXP_CATALOG"]) / "queries"
        listed = "device.virtualization.last_update, device.virtualization.type"
        text = READ_BACK.replace("device.virtualization.last_update", listed)
        (queries / f"{SYNC_NAME}_readback.nql").write_text(text, "utf-8")
        ready.specify(fields=fields, **TAKES)
        rows = [{"uid": uid, "owner": "o", "broker": "7", "tag": "2"} for uid in ready.uids()]
        ready.write(rows)
        ready.sync()
        yield ready


def renamed(made: Syncing, **changes: Any) -> None:
    """Move the sync's file to another name."""
    folder = Path(made.place.environment["NXP_CATALOG"]) / "syncs"
    (folder / f"{SYNC_NAME}.yaml").unlink()
    sync = sync_yaml(made.source, sync=MOVED, **TAKES | changes)
    (folder / f"{MOVED}.yaml").write_text(yaml.safe_dump(sync), "utf-8")


def notes() -> str:
    return "\n".join(orphan_notes(load_settings(), "sandbox.eu"))


def test_a_sync_without_a_file_is_named_and_emptied_only_once_accepted(
    made: Syncing, capsys: pytest.CaptureFixture[str]
) -> None:
    uids = made.uids()
    with Client(made.place.tenant) as client:
        client.enrich(enrichment(UID, uids[0], {TAG: "theirs"}))
    assert notes() == ""
    (Path(made.place.environment["NXP_CATALOG"]) / "syncs" / f"{SYNC_NAME}.yaml").unlink()
    held = len(uids)
    assert f"sync assets: its file is gone, and Nexthink still has {3 * held} values" in notes()
    assert f"{OWNER} {held}" in notes()
    before = made.requests
    assert run(["sync", SYNC_NAME, "--retire"]) == 6
    assert "--retire --accept-guard retire --why TEXT" in capsys.readouterr().err
    assert made.requests == before
    with pytest.raises(UsageError, match="no values of a sync asset: it knows those of assets"):
        choose_retired("asset")
    accepted = SyncAsked(accept_guards=("retire",), why="no longer needed")
    report = stories.retire(choose_retired(SYNC_NAME), accepted, clock=made.place.clock(NOW))
    assert report["values"] == {"clear": {"acknowledged": 2 * held}}
    assert report["planned"]["counts"]["not_clearable"] == held
    assert (set(made.held(OWNER).values()), made.held(TAG)) == ({None}, {uids[0]: "theirs"})
    assert notes() == ""


@pytest.mark.slow
def test_a_renamed_sync_takes_its_values_over_and_sends_nothing(made: Syncing) -> None:
    chosen = choose_sync(SYNC_NAME)
    with pytest.raises(UsageError, match="the catalogue still has the sync assets"):
        check_adoption(chosen, SYNC_NAME)
    renamed(made, fields={OWNER: {"column": "owner"}}, guards={**TAKES["guards"], "first": 0})
    before, asked = made.requests, SyncAsked(adopt=SYNC_NAME)
    # Without it they are values of others, as they are wanted.
    alone = stories.sync(choose_sync(MOVED), SyncAsked(), clock=made.place.clock(NOW))
    assert alone["planned"]["counts"]["same"] == len(made.uids())
    report = stories.sync(choose_sync(MOVED), asked, clock=made.place.clock(NOW))
    assert (report["objects"], made.requests) == (0, before)
    assert report["planned"]["counts"]["unmapped"] == 2 * len(made.uids())
    with made.ledger() as ledger:
        assert set(ledger.enriched.read(MOVED)["state"]) == {"acknowledged"}
    assert f"sync {MOVED}: Nexthink still has {2 * len(made.uids())} values of it" in notes()
    with pytest.raises(UsageError, match="no values of a sync assets"):
        stories.sync(choose_sync(MOVED), asked, clock=made.place.clock(NOW))


@pytest.mark.slow
def test_a_sync_that_identifies_in_another_way_takes_nothing_over(made: Syncing) -> None:
    renamed(made, identification={"name": "device/device/name", "column": "uid"})
    with pytest.raises(ConfigurationError, match="empty it with nxp sync assets --retire"):
        check_adoption(choose_sync(MOVED), SYNC_NAME)


def test_a_sync_of_exact_keys_knows_two_spellings_apart_also_once_its_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with syncing(tmp_path, devices=25) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        (uid, *_) = made.uids()
        exact = {"name": UID, "column": "uid", "ignore": []}
        made.specify(fields={TAG: {"column": "tag"}}, identification=exact, **TAKES)
        made.write([{"uid": uid, "tag": "lower"}, {"uid": uid.upper(), "tag": "upper"}])
        report = made.sync()
        assert (report["acknowledged"], report["no_such_object"]) == (1, 1)
        assert made.held(TAG) == {uid: "lower"}
        renamed(made)
        with pytest.raises(ConfigurationError, match="ignoring nothing and not by device/device/u"):
            check_adoption(choose_sync(MOVED), SYNC_NAME)
        retired = choose_retired(SYNC_NAME)
        assert retired.specification.identification.ignore == ()
        stories.retire(retired, SyncAsked(accept_guards=("retire",), why="over"))
        assert set(made.held(TAG).values()) == {None}
