"""Landed files brought to the types that are declared now: exactly, or not at all."""

import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from connectors.catalogue import DatasetSpecification
from connectors.catalogue.columns import landed_name
from connectors.errors import DataRefusedError, HeldError, StorageError, UsageError
from connectors.lake import Entry, Lake
from connectors.lake.lake import unit_name
from connectors.lake.query import query_lake
from connectors.ledger import Ledger, open_ledger
from tasks.upkeep.rewrite import Rewriting, rewrite
from tests.commands import called
from tests.lakes import DAY, START, TENANT, Site
from tests.landing import Place, Use, catalogue, place, working_days

DAYS = (START, START + DAY)


def things(type_: str, **more: object) -> DatasetSpecification:
    """Return a dataset whose column `c` has a type."""
    columns = [{"nql": "t", "type": "datetime"}, {"nql": "c", "type": type_, **more}]
    return DatasetSpecification.model_validate(
        {
            "dataset": "things",
            "query_id": "#things",
            "mode": "window",
            "window": {"column": "t", "from": "from", "to": "to", "start": "2026-01-01"},
            "columns": columns,
        }
    )


def land(lake: Lake, values: Sequence[Any], kind: pa.DataType, start: datetime = START) -> Entry:
    """Publish a window of rows with these values."""
    unit, rows = unit_name(start, start + DAY), len(values)
    schema = pa.schema([("t", pa.timestamp("us", "UTC")), ("c", kind), ("other", pa.string())])
    table = pa.table([[start] * rows, list(values), ["x"] * rows], schema)
    with lake.stage("things", "run", unit, schema) as stage:
        stage.write(f"date={start:%Y-%m-%d}", table)
        staged = stage.finish()
    times = {"starts_at": start, "ends_at": start + DAY, "exported_at": start}
    entry = Entry(unit=unit, run_id="run", rows=rows, files=(), **times)
    return lake.publish("things", "window", entry, staged, schema)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", TENANT) as opened:
        yield opened


def rewriting(lake: Lake, ledger: Ledger, of: DatasetSpecification) -> Rewriting:
    """Return a rewrite of a dataset."""
    return Rewriting(of, lake, ledger, "rewriting", "Europe/Zurich")


def values_of(site: Site) -> list[Any]:
    """Return the values of all files that the manifest names, in time order."""
    manifest = site.lake.manifest("things")
    assert manifest is not None
    found = []
    for entry in manifest.entries:
        for file in entry.files:
            content = site.get(f"{manifest.folder}/{file.path}")
            assert len(content) == file.bytes
            found += pq.read_table(io.BytesIO(content))["c"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("landed", "kind", "declared", "expected"),
    [
        (['["a","b"]', "[]", None, "-"], pa.string(), "list", None),
        (["17", "-3", None, ""], pa.string(), "int", [17, -3, None, None]),
        (["1.5", None], pa.string(), "float", [1.5, None]),
        (["2026-11-18 01:00:00"], pa.string(), "datetime", [datetime(2026, 11, 18, tzinfo=UTC)]),
        (["2026-11-18"], pa.string(), "date", [date(2026, 11, 18)]),
        ([1, None], pa.int64(), "float", [1.0, None]),
        ([1.0, None], pa.float64(), "int", [1, None]),
        ([1, None], pa.int64(), "string", ["1", None]),
        ([True, None], pa.bool_(), "string", ["true", None]),
        ([["a", "b"], [], None], pa.list_(pa.string()), "string", ['["a", "b"]', "[]", None]),
        ([date(2026, 11, 18)], pa.date32(), "string", ["2026-11-18"]),
    ],
)
def test_landed_values_become_what_is_declared_now(
    folder_site: Site, ledger: Ledger, landed: list[Any], kind: Any, declared: str, expected: Any
) -> None:
    lake, of = folder_site.lake, things(declared)
    fits = landed[:3] if expected is None else landed
    land(lake, fits, kind)
    land(lake, fits, kind, DAYS[1])
    before = lake.manifest("things")
    done = rewrite(rewriting(lake, ledger, of))
    assert (done.units, done.files, done.columns) == (2, 2, ("c",))
    found = values_of(folder_site)
    assert found == 2 * ([["a", "b"], [], None] if expected is None else expected)
    after = lake.manifest("things")
    assert before is not None
    assert after is not None
    kept = [(e.unit, e.run_id, e.rows) for e in before.entries]
    assert [(e.unit, e.run_id, e.rows) for e in after.entries] == kept
    assert list(after.schema_columns) == ["t", "c", "other"]
    assert rewrite(rewriting(lake, ledger, of)).units == 0
    assert len(folder_site.parquet("_old")) == 2
    _, rows = query_lake(lake, "SELECT * FROM things")
    assert len(rows) == len(found)


@pytest.mark.parametrize(
    ("landed", "kind", "declared", "more"),
    [
        (["1", "x", "y"], pa.string(), "int", {}),
        ([1.0, 1.5, 2.5], pa.float64(), "int", {}),
        ([2**60 + 1, 2**61 + 1], pa.int64(), "float", {}),
        ([True, False], pa.bool_(), "datetime", {}),
        ([date(2026, 11, 18)] * 2, pa.date32(), "datetime", {}),
        (["1", "", ""], pa.string(), "int", {"nullable": False}),
    ],
)
def test_values_that_do_not_fit_are_counted_by_file_and_column_and_nothing_changes(
    folder_site: Site,
    ledger: Ledger,
    landed: list[Any],
    kind: Any,
    declared: str,
    more: dict[str, Any],
) -> None:
    site, lake = folder_site, folder_site.lake
    land(lake, [None if more.get("nullable") is None else landed[0]], kind)
    land(lake, landed, kind, DAYS[1])
    before = {path: site.get(path) for path in site.parquet("data")}
    words = rf"things: 2 values of c in .*date=2026-11-19.* do not fit {declared}.*nothing was"
    with pytest.raises(DataRefusedError, match=words) as caught:
        rewrite(rewriting(lake, ledger, things(declared, **more)))
    assert not {"x", "y", "1.5"} & set(str(caught.value).replace(",", " ").split())
    assert {path: site.get(path) for path in site.parquet("data")} == before


@pytest.mark.parametrize(
    "site", ["folder_site", pytest.param("bucket_site", marks=pytest.mark.slow)], indirect=True
)
def test_only_files_of_another_type_are_written_and_columns_that_nobody_declares_stay(
    site: Site, ledger: Ledger
) -> None:
    lake = site.lake
    land(lake, ['["a"]'], pa.string())
    land(lake, [["b"]], pa.list_(pa.string()), DAYS[1])
    (untouched,) = [path for path in site.parquet("data") if "date=2026-11-19" in path]
    done = rewrite(rewriting(lake, ledger, things("list")))
    assert (done.units, untouched in site.parquet("data")) == (1, True)
    names, rows = query_lake(lake, "SELECT * FROM things ORDER BY t")
    assert names == ["t", "c", "other", "date"]
    assert [row[1:3] for row in rows] == [(["a"], "x"), (["b"], "x")]


@pytest.mark.parametrize(
    "site", ["folder_site", pytest.param("bucket_site", marks=pytest.mark.slow)], indirect=True
)
def test_sql_over_types_that_have_none_in_common_says_what_to_do(
    site: Site, ledger: Ledger
) -> None:
    lake = site.lake
    land(lake, ["secret words"], pa.string())
    land(lake, [["b"]], pa.list_(pa.string()), DAYS[1])
    words = (
        r"things: its column c has landed as VARCHAR and as VARCHAR\[\]: run nxp lake rewrite th"
    )
    with pytest.raises(UsageError, match=words) as caught:
        query_lake(lake, "SELECT * FROM things")
    assert "secret" not in str(caught.value)
    assert query_lake(lake, "SELECT other FROM things")[1] == [("x",), ("x",)]
    assert rewrite(rewriting(lake, ledger, things("string"))).units == 1
    assert query_lake(lake, "SELECT c FROM things ORDER BY ALL")[1] == [
        ('["b"]',),
        ("secret words",),
    ]


def test_a_kill_between_a_file_and_its_manifest_is_mended_by_the_next_rewrite(
    folder_site: Site, ledger: Ledger
) -> None:
    lake = folder_site.lake
    land(lake, ["1", "2"], pa.string())
    manifest = folder_site.get("_manifests/things/_manifest.json")
    assert rewrite(rewriting(lake, ledger, things("int"))).units == 1
    # As a kill there leaves it: the new file under the old manifest.
    folder_site.put("_manifests/things/_manifest.json", manifest)
    assert query_lake(lake, "SELECT c FROM things ORDER BY ALL")[1] == [(1,), (2,)]
    assert rewrite(rewriting(lake, ledger, things("int"))).units == 1
    assert values_of(folder_site) == [1, 2]
    assert rewrite(rewriting(lake, ledger, things("int"))).units == 0


def test_a_unit_that_another_run_holds_and_a_file_that_is_gone_are_errors(
    folder_site: Site, ledger: Ledger
) -> None:
    lake = folder_site.lake
    entry = land(lake, ["1"], pa.string())
    with (
        ledger.lease("things", entry.unit, entry.starts_at, entry.ends_at, "other"),
        pytest.raises(HeldError),
    ):
        rewrite(rewriting(lake, ledger, things("int")))
    folder_site.remove(f"data/things/{entry.files[0].path}")
    with pytest.raises(StorageError, match="land its unit again"):
        rewrite(rewriting(lake, ledger, things("int")))


def test_the_command_rewrites_and_the_next_landing_and_sql_agree(
    tmp_path: Path, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    made_of = yaml.safe_load((catalogue(tmp_path, {}) / "datasets/crashes.yaml").read_text())
    chosen = next(column for column in made_of["columns"] if column.get("type") == "int")
    name = chosen.get("name") or landed_name(chosen["nql"])
    path = tmp_path / "catalog/datasets/crashes.yaml"
    declared = path.read_text()
    chosen["type"] = "string"
    path.write_text(yaml.safe_dump(made_of))
    now = datetime.now(UTC)
    first, _, last, after = working_days(now, 4)
    with place(tmp_path, now=now, days=20) as made:
        use(made)
        days = ("--from", first, "--to", last)
        assert called("backfill", "crashes", *days, capsys=capsys).returncode == 0
        path.write_text(declared)
        told = json.loads(called("check", "--json", capsys=capsys).stdout)["notes"]
        assert any(f"changes {name} from string to int" in note for note in told)
        assert any("nxp lake rewrite crashes brings" in note for note in told)
        planned = called("lake", "rewrite", "crashes", "--dry-run", "--json", capsys=capsys)
        done = called("lake", "rewrite", "crashes", "--json", capsys=capsys)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == json.loads(planned.stdout)
        assert json.loads(done.stdout)["units"] == 2
        assert runs_of(made) == ["rewrite", "back-fill"]
        notes = json.loads(called("check", "--json", capsys=capsys).stdout)["notes"]
        assert not [note for note in notes if note.startswith("crashes")]
        again = called("lake", "rewrite", "crashes", capsys=capsys)
        assert "all landed files have the declared types" in again.stderr
        assert called("lake", "rewrite", "nothing", capsys=capsys).returncode == 2
        made_of["columns"] += [{"nql": "crash.kind", "name": "boot_type"}]
        path.write_text(yaml.safe_dump(made_of))
        assert "crashes: the next landing adds boot_type" in called("check", capsys=capsys).stderr
        next_day = ("--from", last, "--to", after)
        landing = called("export", "crashes", *next_day, capsys=capsys)
        assert "adds boot_type, changes" in landing.stderr


def runs_of(made: Place) -> list[str]:
    """Return the triggers of the runs, newest first."""
    with open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu") as opened:
        return [run["trigger"] for run in opened.runs()]
