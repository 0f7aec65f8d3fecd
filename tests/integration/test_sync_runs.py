"""Syncs from a file into the stand-in tenant: what it holds, what the ledger knows, the report."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import DataRefusedError, PartlyDoneError
from tests.syncing import BROKER, FIELDS, OWNER, POOL, TAG, UPDATED, Rows, Syncing, syncing

MARK = "MARK-jane"


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


def test_a_first_run_sets_everything_and_a_second_sends_nothing(made: Syncing) -> None:
    uids = made.uids()
    rows = rows_of(uids, tag="T", broker="4", pool="P", updated="2026-10-03T15:00:00Z")
    made.write(rows)
    report = made.sync()
    assert report["state"] == "applied"
    assert (report["objects"], report["acknowledged"]) == (len(uids), len(uids))
    assert report["values"] == {"set": {"acknowledged": 5 * len(uids)}}
    assert report["convergence"] == 100.0
    assert made.held(OWNER) == {row["uid"]: row["owner"] for row in rows}
    assert set(made.held(BROKER).values()) == {"windows_365"}
    assert states(made) == {"acknowledged": 5 * len(uids)}
    before = made.requests
    again = made.sync()
    assert made.requests == before
    assert (again["objects"], again["state"], again["convergence"]) == (0, "applied", 100.0)
