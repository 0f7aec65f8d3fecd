"""A unit whose download must start over while it is read: it lands once, and no row twice."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from connectors.nexthink.results.result_file import BLOCK_BYTES
from tasks.land.asked import Asked
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import plan_run
from tasks.land.run import open_run
from tasks.stories.export import land_unit
from tests.unit.connectors.results import FILE, STATUS, completed, url_of
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Reply,
    Server,
    Storage,
    json_reply,
    token_reply,
)

EXPORT = "/api/v1/nql/export"
DATASET = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "window",
    "window": {"column": "at", "from": "from", "to": "to", "step": "1d"},
    "columns": [{"nql": "at", "type": "datetime"}, {"nql": "number", "type": "int"}],
    "compression": "NONE",
}
ROWS = 100_000
TEXT = b"at,number\n" + b"".join(b"2026-11-19 10:00:00,%d\n" % number for number in range(ROWS))
NOTE = b"at,number,note\n2026-11-19 10:00:00,1," + b"x" * 2 * BLOCK_BYTES + b"\n"


def now() -> datetime:
    return datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for folder in ("datasets", "queries"):
        (tmp_path / "catalog" / folder).mkdir(parents=True)
    (tmp_path / "catalog/datasets/things.yaml").write_text(yaml.safe_dump(DATASET))
    (tmp_path / "catalog/queries/things.nql").write_text("things")
    with Server() as server:
        for name, value in {
            "NXP_HOME": tmp_path / "home",
            "NXP_LAKE": tmp_path / "lake",
            "NXP_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
            "NXP_CATALOG": tmp_path / "catalog",
            "NEXTHINK_INSTANCE": "acme",
            "NEXTHINK_REGION": "eu",
            "NEXTHINK_CLIENT_ID": "id",
            "NEXTHINK_CLIENT_SECRET": "secret",
            "NEXTHINK_API_URL": server.url,
            "NEXTHINK_LOGIN_URL": server.url,
        }.items():
            monkeypatch.setenv(name, str(value))
        server.on("POST", TOKEN_PATH, token_reply())
        server.on("POST", EXPORT, json_reply({"exportId": "e1"}))
        server.on("GET", STATUS, completed(url_of(server)))
        yield server


def land() -> UnitOutcome:
    plan = plan_run(Asked("things", "2026-11-19", "2026-11-20"), now)
    with open_run(plan, clock=now, sleep=lambda _seconds: None) as run:
        outcome = land_unit(run, plan.units[0])
        assert not list(run.spool.iterdir())
    return outcome


def landed(tmp_path: Path) -> pl.DataFrame:
    return pl.read_parquet(
        tmp_path / "lake/acme.eu/data/things/*/*.parquet", hive_partitioning=False
    )


def test_a_file_that_cannot_be_resumed_lands_once(tenant: Server, tmp_path: Path) -> None:
    tenant.on("GET", FILE, Storage(TEXT, etag=None, cuts=[len(TEXT) - 10, 1_500_000]))
    outcome = land()
    assert outcome.rows_read == outcome.rows_landed == ROWS
    assert landed(tmp_path)["number"].to_list() == list(range(ROWS))
    assert len(tenant.requests(EXPORT)) == 1
    # Read until it broke, then spooled, which broke once more.
    assert len(tenant.requests(FILE)) == 3


def test_an_export_that_is_lost_while_it_is_read_is_made_again(
    tenant: Server, tmp_path: Path
) -> None:
    storage = Storage(TEXT, cuts=[1_500_000])
    tenant.on("GET", FILE, storage, *[Reply(403)] * 12, storage)
    outcome = land()
    assert outcome.rows_landed == len(landed(tmp_path)) == ROWS
    assert len(tenant.requests(EXPORT)) == 2


def test_a_record_longer_than_a_block_lands(tenant: Server, tmp_path: Path) -> None:
    tenant.on("GET", FILE, Storage(NOTE))
    outcome = land()
    assert outcome.rows_landed == 1
    assert landed(tmp_path)["note"].str.len_bytes().to_list() == [2 * BLOCK_BYTES]
