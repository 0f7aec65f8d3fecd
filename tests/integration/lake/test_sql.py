"""`nxp sql` as analysts write it: every SELECT of DuckDB, and nothing but the views."""

import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.errors import ConfigurationError, PipelineError, SqlError, StorageError, UsageError
from connectors.lake import Entry, Lake
from connectors.lake.lake import unit_name
from connectors.lake.layout import CURRENT
from connectors.lake.query import query_lake
from connectors.lake.records import write_rejects
from connectors.lake.sql_room import Room
from nxp.cli import run
from tests.lakes import DAY, START, TENANT, publish

DEVICES = pa.table(
    {
        "device_uid": ["u1", "u2", "u3", "u4"],
        "device_name": ["anna-pc", "bob-pc", "cleo-mac", "dora-pc"],
        "os": ["Windows", "Windows", "macOS", "Windows"],
        "memory": [8, 16, 16, 32],
        "Last Seen": [START, START, START + DAY, START + DAY],
        "tags": [["hr"], ["it", "vip"], [], ["it"]],
    }
)
CRASHES = pa.table(
    {
        "device_uid": ["u1", "u1", "u2", "u4"],
        "app": ["excel", "outlook", "excel", "teams"],
        "crashes": [3, 1, 2, 5],
        "seen_at": [START, START + DAY / 4, START + DAY / 2, START + DAY / 3],
    }
)
BOOTS = pa.table(
    {
        "device_uid": ["u1", "u2", "u3"],
        "seconds": [30.5, 41.0, 22.25],
        "seen_at": [START - DAY / 8, START, START + DAY / 5],
    }
)


def land(lake: Lake, dataset: str, table: pa.Table, slot: datetime, mode: str = "window") -> None:
    """Publish a table as one window or snapshot."""
    end = slot + DAY
    unit = unit_name(slot) if mode == "snapshot" else unit_name(slot, end)
    folder = f"snapshot={unit}" if mode == "snapshot" else f"date={slot:%Y-%m-%d}"
    with lake.stage(dataset, "run", unit, table.schema) as stage:
        stage.write(folder, table)
        staged = stage.finish()
    entry = Entry(
        unit=unit,
        starts_at=slot,
        ends_at=end,
        run_id="run",
        exported_at=end,
        rows=table.num_rows,
        files=(),
    )
    lake.publish(dataset, mode, entry, staged, table.schema)


@pytest.fixture(scope="module")
def analyst(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a snapshot dataset of two slots and two window datasets; one more is damaged."""
    lake = Lake(str(tmp_path_factory.mktemp("analyst")), TENANT)
    land(lake, "devices", DEVICES.slice(0, 3), START, "snapshot")
    land(lake, "devices", DEVICES, START + DAY, "snapshot")
    land(lake, "crashes", CRASHES, START)
    land(lake, "boots", BOOTS, START)
    land(lake, "broken", BOOTS, START)
    land(lake, "torn", BOOTS, START)
    for file in lake.dataset_folder("broken").rglob("*.parquet"):
        file.write_bytes(b"PAR1")
    (lake.folder / CURRENT.manifest("torn")).write_text("{")
    return lake


def test_a_column_may_have_any_name(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), TENANT)
    land(lake, "files", pa.table({"filename": ["a", "b"], "file_row_number": [1, 2]}), START)
    names, rows = query_lake(lake, "FROM files ORDER BY filename")
    assert names == ["filename", "file_row_number", "date"]
    assert [row[:2] for row in rows] == [("a", 1), ("b", 2)]


SLOW = pytest.mark.slow


def some(cases: list[Any], every: int) -> list[Any]:
    """Return cases: a few are tried in every run of the tests, the others in long ones."""
    return [
        pytest.param(*case, marks=() if place % every == 0 else SLOW)
        for place, case in enumerate(cases)
    ]


# Each: whether it depends on columns, the number of its rows, the query.
CORPUS = re.findall(
    r"^-->(\??) (\d+)\n(.*?)\n(?=-->|\Z)",
    Path(__file__).with_name("queries.sql").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)
UNSURE = [(sql, int(rows)) for unsure, rows, sql in CORPUS if unsure]
SURE = [(sql, int(rows)) for unsure, rows, sql in CORPUS if not unsure]


def ids(corpus: list[tuple[str, int]]) -> list[str]:
    """Return short names for the tests of a corpus."""
    return [" ".join(sql.split())[:50] for sql, _ in corpus]


@pytest.mark.parametrize(("sql", "rows"), some(UNSURE, 2), ids=ids(UNSURE))
def test_what_depends_on_columns_is_answered(analyst: Lake, sql: str, rows: int) -> None:
    assert len(query_lake(analyst, sql)[1]) == rows


@SLOW
@pytest.mark.parametrize(("sql", "rows"), SURE, ids=ids(SURE))
def test_every_other_select_is_answered(analyst: Lake, sql: str, rows: int) -> None:
    assert len(query_lake(analyst, sql)[1]) == rows


@pytest.mark.parametrize(
    ("sql", "error", "said"),
    [
        ("FROM broken", SqlError, "SQL: broken cannot be read: .*too small"),
        ("FROM torn", StorageError, r"cannot read .*torn/_manifest\.json"),
        ("SELECT * FROM crashes JOIN broken USING (device_uid)", SqlError, "broken cannot be read"),
        ("SELECT * FROM crashes JOIN torn USING (device_uid)", StorageError, "torn"),
        ("PIVOT broken ON device_uid USING count(*)", SqlError, "broken cannot be read"),
        ("SELECT * FROM query_table('bro' || 'ken')", SqlError, "broken cannot be read"),
    ],
)
def test_a_damaged_dataset_fails_only_what_reads_it(
    analyst: Lake, sql: str, error: type[PipelineError], said: str
) -> None:
    with pytest.raises(error, match=said):
        query_lake(analyst, sql)


def test_all_views_but_the_damaged_are_listed(analyst: Lake) -> None:
    _, rows = query_lake(analyst, "SHOW TABLES")
    assert {row[0] for row in rows} == {
        *("_changes", "_rejects", "_runs", "_targets"),
        *("boots", "crashes", "devices", "devices_history"),
    }


def test_records_can_be_read_before_anything_was_run_or_rejected(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), TENANT)
    assert query_lake(lake, "SELECT run_id, watermark, seconds_publish FROM _runs")[1] == []
    assert query_lake(lake, "SELECT dataset, unnest(reasons) FROM _rejects")[1] == []
    with pytest.raises(ConfigurationError, match="nothing has landed"):
        query_lake(lake, "FROM crashes")


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with rejected rows, a superseded file, and a link to what is private."""
    lake = Lake(str(tmp_path_factory.mktemp("secret")), TENANT)
    publish(lake, "old")
    publish(lake, "new")
    rejects = pa.table({"record": [1], "reasons": [["no time to place it by"]]})
    write_rejects(lake, "events", "u", "r", rejects, ["anna's secret"])
    (lake.folder / "link").symlink_to(lake.folder / "_rejects_raw")
    (lake.dataset_folder("events") / "linked.parquet").symlink_to(
        next((lake.folder / "_rejects_raw").rglob("*.parquet"))
    )
    return lake


RAW = "LAKE/_rejects_raw/dataset=events/u-r.parquet"
FORBIDDEN = [
    f"FROM '{RAW}'",
    f"FROM read_parquet('{RAW}')",
    f"FROM read_parquet(['{RAW}'])",
    f"FROM 'file://{RAW}'",
    "FROM 'LAKE/data/events/../../_rejects_raw/dataset=events/u-r.parquet'",
    "FROM 'LAKE/data/events/date=2026-11-18/../../../_rejects_raw/dataset=events/u-r.parquet'",
    "FROM 'LAKE/link/dataset=events/u-r.parquet'",
    "FROM 'LAKE/data/events/linked.parquet'",
    "FROM 'LAKE/_rejects_raw/**/*.parquet'",
    "FROM 'LAKE/_old/**/*.parquet'",
    "FROM 'LAKE/data/events/*/*.parquet'",
    "FROM glob('LAKE/**')",
    "FROM glob('*')",
    f"FROM read_blob('{RAW}') SELECT content",
    "FROM read_text('LAKE/_manifests/events/_manifest.json')",
    f"FROM parquet_metadata('{RAW}')",
    f"FROM parquet_schema('{RAW}')",
    f"FROM parquet_file_metadata('{RAW}')",
    f"FROM sniff_csv('{RAW}')",
    "FROM read_csv('/etc/hosts')",
    "FROM read_json('/etc/hostname')",
    "FROM read_text('/proc/self/environ')",
    "SELECT getenv('HOME')",
    "FROM duckdb_secrets()",
    f"FROM query('FROM ''{RAW}'" + "'')",
    f"FROM query_table('{RAW}')",
    f"PIVOT '{RAW}' ON record USING count(*)",
    f"FROM events JOIN '{RAW}' USING (run)",
    "COPY (FROM events) TO 'LAKE/x.parquet'",
    "COPY (PIVOT events ON run USING count(*)) TO 'LAKE/x.parquet'",
    "EXPLAIN ANALYZE PIVOT events ON run USING count(*)",
    "CREATE TABLE x AS PIVOT events ON run USING count(*)",
    "ATTACH 'LAKE/x.db'",
    "INSTALL httpfs",
    "LOAD json",
    "SET temp_directory = '/tmp'",
    "FROM 'http://localhost:1/x.parquet'",
    "FROM 's3://bucket/x.parquet'",
]


@pytest.mark.parametrize("sql", some([(sql,) for sql in FORBIDDEN], 4), ids=FORBIDDEN)
def test_only_files_of_the_views_are_read(secret: Lake, sql: str) -> None:
    before = sorted(secret.folder.rglob("*"))
    with pytest.raises((UsageError, ConfigurationError)) as caught:
        query_lake(secret, sql.replace("LAKE", str(secret.folder)))
    assert "secret" not in str(caught.value)
    assert sorted(secret.folder.rglob("*")) == before


def test_the_settings_are_locked_and_rows_spill_into_a_private_folder(tmp_path: Path) -> None:
    lake, room = Lake(str(tmp_path / "lake"), TENANT), Room(tmp_path / "home", 64, 100)
    names = "lock_configuration enable_external_access memory_limit max_temp_directory_size"
    asked = ", ".join(f"current_setting('{name}')" for name in [*names.split(), "temp_directory"])
    _, ((*fixed, folder),) = query_lake(lake, f"SELECT {asked}", room)
    assert fixed == [True, False, "61.0 MiB", "95.3 MiB"]
    assert Path(folder).parent == tmp_path / "home" / "sql"
    assert not list(Path(folder).parent.iterdir())
    for made in (tmp_path / "home", tmp_path / "home" / "sql"):
        assert made.stat().st_mode & 0o777 == 0o700


SORTED = "SELECT count(*) FROM (SELECT range, random() AS r FROM range({}) ORDER BY r)"


def test_a_query_that_needs_more_room_than_it_has_says_which_settings_help(tmp_path: Path) -> None:
    lake, room = Lake(str(tmp_path / "lake"), TENANT), Room(tmp_path / "home", 32, 16)
    with pytest.raises(ConfigurationError, match="NXP_MEMORY_MB and NXP_SQL_SPILL_MB"):
        query_lake(lake, SORTED.format(2_000_000), room)
    assert not list((tmp_path / "home" / "sql").iterdir())


@SLOW
def test_what_a_killed_query_spilled_is_removed_by_the_next(tmp_path: Path) -> None:
    lake, home = Lake(str(tmp_path / "lake"), TENANT), tmp_path / "home"
    program = (
        "import sys; from pathlib import Path; from connectors.lake import Lake; "
        "from connectors.lake.query import query_lake; from connectors.lake.sql_room import Room; "
        "query_lake(Lake(sys.argv[1], 'acme.eu'), sys.argv[3], Room(Path(sys.argv[2]), 32))"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "lake"), str(home)]
    with subprocess.Popen([*words, SORTED.format(300_000_000)], cwd=tmp_path) as running:
        spilled: list[Path] = []
        while not spilled:
            time.sleep(0.05)
            spilled = [path for path in home.glob("sql/*/*") if path.stat().st_size > 1 << 20]
        assert spilled[0].parent.stat().st_mode & 0o777 == 0o700
        assert len(query_lake(lake, "SELECT 1", Room(home))[1]) == 1
        assert spilled[0].parent.exists(), "a running query keeps its folder"
        running.kill()
    assert spilled[0].parent.exists()
    query_lake(lake, "SELECT 1", Room(home))
    assert not list((home / "sql").iterdir())
    assert not (tmp_path / ".tmp").exists()


def test_someone_who_cannot_write_the_home_can_still_read(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    assert query_lake(Lake(str(tmp_path), TENANT), "SELECT 1", Room(tmp_path / "home"))[1] == [(1,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT device_name,\n  memry\nFROM devices",
            r'column "memry" not found.* bindings: "memory"[^\n]*\nLINE 2:   memry\n {10}\^',
        ),
        (
            "FROM devics",
            r"devics does not exist! Did you mean devices[^\n]*\?\nLINE 1: FROM devics\n",
        ),
        ("FROM pg_sequences_", r"does not exist! nxp datasets lists what there is\.\nLINE 1"),
        ("SELECT lenght(os) FROM devices", r"name lenght does not exist!\nLINE 1: .*\n +\^+\n$"),
        ("SELECT sum(os) FROM devices", r"explicit type casts\.\nLINE 1: SELECT sum"),
        ("-- all\nSELEC 1", r'syntax error at or near "SELEC"\nLINE 2: SELEC 1\n {8}\^'),
        (
            "FROM read_csv('/etc/hosts')",
            r"only the views of the lake can be read: see nxp datasets\n$",
        ),
        ("-- nothing", "there is no statement, only a semicolon or a comment"),
    ],
)
def test_an_error_shows_where_it_is_and_names_only_the_lake(
    analyst: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sql: str,
    said: str,
) -> None:
    monkeypatch.setenv("NXP_LAKE", str(analyst.folder.parent))
    assert run(["sql", sql, "--tenant", TENANT]) == UsageError.exit_code
    wrote = capsys.readouterr().err
    assert re.search(said, wrote), wrote
    assert not re.search(r"pg_|duckdb_|Candidate functions", wrote.replace("pg_sequences_", ""))


@pytest.mark.parametrize(
    "words",
    [
        ["-- c\nSELECT 1 AS one"],
        ["--c\nSELECT 1 AS one", "--json"],
        ["--json", "-- a = b\nSELECT 1 AS one"],
        ["/* c */ SELECT 1 AS one"],
        ["--tenant", TENANT, "\n-- c\r\nSELECT 1 AS one -- d"],
        ["--", "-- c\nSELECT 1 AS one"],
        ["--query=-- c\nSELECT 1 AS one"],
        ["--query", "--c\nSELECT 1 AS one"],
    ],
)
def test_a_statement_may_begin_with_a_comment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    for name, value in {
        "NXP_HOME": str(tmp_path),
        "NEXTHINK_INSTANCE": "acme",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "x",
        "NEXTHINK_CLIENT_SECRET": "y",
    }.items():
        monkeypatch.setenv(name, value)
    assert run(["sql", *words]) == 0
    wrote = capsys.readouterr().out
    assert wrote.split() in (["one", "1"], ["[", "{", '"one":', "1", "}", "]"])


def test_a_mistyped_option_is_not_taken_for_a_statement(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["sql", "--jsn", "SELECT 1"]) == UsageError.exit_code
    assert "Did you mean --json?" in capsys.readouterr().err
