"""Descriptions of a dataset: they change, and nothing of what has landed does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
import yaml

from tests.commands import called
from tests.landing import CATALOG, Place, Use, catalogue, place, working_days

NOW = datetime.now(UTC)
FIRST, *_, LAST = working_days(NOW, 3)
DATES = ("--from", FIRST, "--to", LAST)
SAID = {
    "title": "Crashes",
    "description": "Crashes of programs.",
    "grain": "one row per crash",
    "owner": "Workplace",
    "tags": ["stability"],
    "topic": "Stability",
}


def bare(name: str) -> dict[str, Any]:
    """Return a shipped dataset without anything that only describes it."""
    values = yaml.safe_load((CATALOG / "datasets" / f"{name}.yaml").read_text("utf-8"))
    kept = {key: value for key, value in values.items() if key not in SAID}
    return kept | {
        "columns": [
            {key: each[key] for key in ("nql", "name", "type", "nullable", "key") if key in each}
            for each in values["columns"]
        ]
    }


@pytest.fixture
def here(tmp_path: Path, use: Use) -> Iterator[Place]:
    """A tenant of today, and a catalogue in which nothing is described."""
    made = catalogue(tmp_path, {})
    for name in ("crashes", "devices"):
        (made / "datasets" / f"{name}.yaml").write_text(yaml.safe_dump(bare(name)), "utf-8")
    with place(tmp_path, now=NOW, days=20) as served:
        yield use(served)


def test_a_new_description_lands_nothing_again_and_changes_no_schema(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def hashes() -> dict[str, str]:
        found = {name: here.lake.manifest(name) for name in ("crashes", "devices")}
        return {name: manifest.schema_hash for name, manifest in found.items() if manifest}

    for words in (("backfill", "crashes", *DATES), ("export", "devices")):
        assert called(*words, capsys=capsys).returncode == 0
    before, exports = hashes(), here.tenant.requests["export"]
    assert len(before) == 2
    for name in before:
        values = bare(name) | SAID
        for column in values["columns"]:
            column |= {"description": f"What {column['name']} is.", "personal": True, "unit": "x"}
        of_device = next(each for each in values["columns"] if each["name"] == "device_name")
        of_device |= {"sortable": "version", "references": "users.user_uid"}
        path = here.folder / "catalog" / "datasets" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values), "utf-8")

    again = called("backfill", "crashes", *DATES, capsys=capsys)
    assert (again.returncode, "2 done already" in again.stderr) == (0, True)
    assert here.tenant.requests["export"] == exports
    checked = called("check", "--json", capsys=capsys)
    assert not [note for note in json.loads(checked.stdout)["notes"] if "landing" in note]
    landed = called("export", "devices", "--json", capsys=capsys)
    assert landed.returncode == 0, landed.stderr
    assert [each["warnings"] for each in json.loads(landed.stdout)["outcomes"]] == [[]]
    assert here.tenant.requests["export"] == exports + 1
    assert hashes() == before
    check_command(capsys)
    check_sql(here.folder, capsys)
    check_readers(here, capsys)


def check_sql(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ask `nxp sql` for what catalogue and ledger know, and for what was when."""

    def rows(query: str) -> list[dict[str, Any]]:
        asked = called("sql", query, "--json", capsys=capsys)
        assert asked.returncode == 0, asked.stderr
        found: list[dict[str, Any]] = json.loads(asked.stdout)
        return found

    (crashes,) = rows("FROM _datasets WHERE dataset = 'crashes'")
    assert (crashes["title"], crashes["tags"], crashes["units"]) == ("Crashes", ["stability"], 2)
    assert crashes["rows"] == rows("SELECT count(*) AS n FROM crashes")[0]["n"]
    units = rows("SELECT dataset, state, count(*) AS n FROM _units GROUP BY ALL ORDER BY ALL")
    assert units == [
        {"dataset": "crashes", "state": "landed", "n": 2},
        {"dataset": "devices", "state": "landed", "n": 1},
    ]
    query = (
        "SELECT DISTINCT _gaps.state FROM _gaps JOIN _units USING (dataset) "
        "WHERE _gaps.starts_at >= _units.ends_at"
    )
    assert rows(query) == [{"state": "missing"}]
    query = "SELECT count(*) AS n FROM devices_changes WHERE valid_to IS NULL"
    assert rows(query) == rows("SELECT count(*) AS n FROM devices")
    listed = {row["name"] for row in rows("SHOW TABLES")}
    assert {"_datasets", "_units", "_gaps", "devices_changes", "devices_history"} <= listed
    query = (
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'devices' "
        "AND column_name = 'device_uid'"
    )
    assert rows(query) == [{"comment": "What device_uid is. [x]"}]
    query = "SELECT comment FROM duckdb_views() WHERE view_name = 'devices_history'"
    comment = "Crashes. Crashes of programs. Grain: one row per crash."
    assert rows(query) == [{"comment": comment}]
    file = folder / "bi.duckdb"
    assert called("lake", "duckdb", str(file), capsys=capsys).returncode == 0
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute(query).fetchall() == [(comment,)]


def check_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Read in `nxp datasets` what the YAML says, in words and as JSON."""
    shown = called("datasets", "devices", capsys=capsys).stdout
    head, _, columns = shown.partition("\n\n")
    assert head.splitlines() == [
        "devices: Crashes",
        "Crashes of programs.",
        "grain: one row per crash",
        "owner: Workplace",
        "topic: Stability",
        "tags: stability",
    ]
    lines = [line.split("  ") for line in columns.splitlines()]
    assert [word.strip() for word in lines[1] if word] == [
        *("device_uid", "string", "x", "key, personal", "What device_uid is."),
    ]
    assert "What device_name is. → users.user_uid" in columns
    (one,) = [
        each
        for each in json.loads(called("datasets", "--json", capsys=capsys).stdout)
        if each["dataset"] == "devices"
    ]
    asked = json.loads(called("datasets", "devices", "--columns", "--json", capsys=capsys).stdout)
    assert asked.items() <= one.items()
    assert asked["columns"][0] == {
        "name": "device_uid",
        "type": "string",
        "unit": "x",
        "key": True,
        "nullable": False,
        "personal": True,
        "references": None,
        "sortable": None,
        "description": "What device_uid is.",
        "nql": "device.uid",
        "derived": False,
    }


def check_readers(here: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Read a described snapshot, and it together with one of before: metadata gets in no way."""
    devices = here.lake.dataset_folder("devices")
    new = max(devices.rglob("*.parquet"))
    schema = pq.read_schema(new)
    assert {key: schema.metadata[key.encode()].decode() for key in ("title", "grain")} == {
        "title": SAID["title"],
        "grain": SAID["grain"],
    }
    field = schema.field("device_uid").metadata
    assert field[b"description"] == b"What device_uid is."
    assert (field[b"unit"], field[b"personal"], field[b"nxp.key"]) == (b"x", b"true", b"true")
    name = schema.field("device_name").metadata
    assert (name[b"sortable"], name[b"references"]) == (b"version", b"users.user_uid")

    # The same rows as before anything was said, next to the new ones.
    old = new.parent.parent / "snapshot=20200101T000000Z" / new.name
    old.parent.mkdir()
    plain = pq.read_table(new, partitioning=None)
    bare_fields = [field.remove_metadata() for field in plain.schema]
    pq.write_table(plain.cast(pa.schema(bare_fields)), old)
    rows = 2 * plain.num_rows
    assert pads.dataset([old, new]).to_table().num_rows == rows
    assert pads.dataset([new, old]).to_table().num_rows == rows
    assert pq.read_table(devices).num_rows == rows
    assert pl.read_parquet([old, new]).height == pl.read_parquet([new, old]).height == rows
    assert len(duckdb.read_parquet(f"{devices}/*/*.parquet").fetchall()) == rows
    old.unlink()

    asked = called("sql", "SELECT count(*) AS n FROM devices", "--json", capsys=capsys)
    assert json.loads(asked.stdout) == [{"n": plain.num_rows}]
    planned = called("lake", "rewrite", "devices", "--dry-run", "--json", capsys=capsys)
    assert json.loads(planned.stdout)["units"] == 0
