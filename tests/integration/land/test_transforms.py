"""Datasets that derive columns, leave rows out and name a transform, as users run them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.commands import called
from tests.landing import CATALOG, Place, Use, catalogue, foreign_export, place

PAGE = Path(__file__).resolve().parents[3] / "docs" / "transforms.md"
# Commands read the real clock, and the query of the page reaches back eight days.
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = NOW.date() - timedelta(days=2)
BOUNDS = {"from": f"{DAY} 00:00:00", "to": f"{DAY + timedelta(days=1)} 00:00:00"}
DATES = ("--from", f"{DAY}", "--to", f"{DAY + timedelta(days=1)}")
BLOCK = re.compile(r"```(?:yaml|python)\n# deployments/(\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path: Path, use: Use) -> Iterator[Place]:
    """Return a tenant and a catalogue to which the page's files are added."""
    made = catalogue(tmp_path, {})
    for path, text in BLOCK.findall(PAGE.read_text("utf-8")):
        (made / path).parent.mkdir(exist_ok=True)
        (made / path).write_text(text, "utf-8")
    with place(tmp_path, now=NOW) as served:
        yield use(served)


def events(made: Place) -> pl.DataFrame:
    """Return the day's rows by another client and plain Polars, as the page says they land."""
    raw = foreign_export(made, "#execution_events", BOUNDS)
    start = pl.col("execution.event.start_time").str.to_datetime(time_zone="UTC", time_unit="us")
    memory = pl.col("execution.event.real_memory").cast(pl.Int64)
    freezes = pl.col("execution.event.number_of_freezes").cast(pl.Int64)
    return raw.select(
        start.alias("started_at"),
        pl.col("execution.event.end_time").str.to_datetime(time_zone="UTC").alias("ended_at"),
        pl.col("device.uid").alias("device_uid"),
        pl.col("binary.name").alias("binary_name"),
        memory.alias("real_memory_bytes"),
        freezes.alias("number_of_freezes"),
        memory_mb=memory / 1_000_000,
        hour=start.dt.hour().cast(pl.Int64),
        is_office_time=(start.dt.hour() >= 7) & (start.dt.hour() < 19),
    )


def test_the_example_of_the_page_lands_what_it_says(
    project: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = tmp_path / "tables.db"
    monkeypatch.setenv("NXP_DATABASE_URL", f"sqlite:///{database}")
    dataset = tmp_path / "catalog/datasets/heavy_processes.yaml"
    text = dataset.read_text("utf-8") + "landings: [parquet, sql]\n"
    dataset.write_text(text, "utf-8")
    checked = called("check", capsys=capsys)
    said = (
        "heavy_processes derives memory_mb (float), hour (int), is_office_time (bool), lasted (du"
    )
    assert said in checked.stderr
    assert said in PAGE.read_text("utf-8")

    result = called("export", "heavy_processes", *DATES, "--json", capsys=capsys)
    assert result.returncode == 0, result.stderr
    (unit,) = json.loads(result.stdout)["outcomes"]
    sent = events(project)
    inside = sent.filter(pl.col("started_at").dt.date() == DAY)
    wanted = inside.filter((pl.col("memory_mb") > 100) | (pl.col("number_of_freezes") > 0))
    landed = project.landed("heavy_processes")
    assert_frame_equal(landed.select(wanted.columns), wanted, check_row_order=False)
    assert landed["lasted"].unique().to_list() == [900.0]
    assert unit["rows_read"] == len(sent)
    assert unit["rows_outside"] == len(sent) - len(inside)
    assert unit["rows_filtered"] == len(inside) - len(wanted) > 0
    with sqlite3.connect(database) as tables:
        found = tables.execute(
            "SELECT count(*), sum(hour), sum(is_office_time), typeof(max(memory_mb)) "
            "FROM heavy_processes"
        ).fetchone()
    assert found == (len(wanted), wanted["hour"].sum(), wanted["is_office_time"].sum(), "real")
    shown = called("runs", "heavy_processes", "--json", capsys=capsys)
    assert json.loads(shown.stdout)[0]["rows_filtered"] == unit["rows_filtered"]
    counted = called("sql", "SELECT sum(rows_filtered) FROM _runs", "--json", capsys=capsys)
    assert str(unit["rows_filtered"]) in counted.stdout

    # Code is off, and named as the reason.
    dataset.write_text(text + "transform: processes:classify\n", "utf-8")
    for words in (("check",), ("export", "heavy_processes", *DATES)):
        refused = called(*words, capsys=capsys)
        assert (refused.returncode, "NXP_ALLOW_CODE=1" in refused.stderr) == (3, True)
    monkeypatch.setenv("NXP_ALLOW_CODE", "1")
    assert "is_browser (bool)" in called("check", capsys=capsys).stderr
    again = called("export", "heavy_processes", *DATES, "--accept-shrink", "--json", capsys=capsys)
    assert again.returncode == 0, again.stderr
    rest = wanted.filter(pl.col("binary_name").str.to_lowercase() != "svchost.exe")
    assert json.loads(again.stdout)["rows_filtered"] == len(inside) - len(rest)
    browsers = project.landed("heavy_processes").filter("is_browser")["binary_name"].unique()
    assert set(browsers.str.to_lowercase()) <= {"chrome.exe", "msedge.exe", "firefox.exe"}
    assert 0 < len(project.landed("heavy_processes")) == len(rest)
    with sqlite3.connect(database) as tables:
        (kind,) = tables.execute("SELECT typeof(is_browser) FROM heavy_processes").fetchone()
    assert kind == "integer"


def variant(tmp_path: Path, name: str, text: str) -> None:
    """Write a shipped dataset with more keys."""
    shipped = (CATALOG / "datasets" / f"{name}.yaml").read_text("utf-8")
    (tmp_path / "catalog/datasets" / f"{name}.yaml").write_text(shipped + text, "utf-8")


def test_rows_that_fail_are_rejected_and_replayed_once_the_expression_is_right(
    project: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = "max_reject_share: 0.9\nwhere: is_on_start IS NOT TRUE\nderive:\n  x: "
    variant(tmp_path, "crashes", keys + "1 / (HOUR(crashed_at) % 2)\n")
    dates = ("--from", f"{DAY - timedelta(days=6)}", *DATES[2:])
    first = called("export", "crashes", *dates, "--json", capsys=capsys)
    assert first.returncode == 7, first.stderr
    assert "the expression of x divides by zero (NULLIF(divisor, 0)" in first.stderr
    report = json.loads(first.stdout)
    parts = ("landed", "rejected", "outside", "filtered")
    assert report["rows_read"] == sum(report[f"rows_{part}"] for part in parts)
    assert min(report["rows_rejected"], report["rows_filtered"]) > 0
    variant(tmp_path, "crashes", keys + "2 / NULLIF(HOUR(crashed_at) % 2, 0)\n")
    replayed = called("replay", "crashes", "--run", report["run_id"], "--json", capsys=capsys)
    assert replayed.returncode == 0, replayed.stderr
    units = json.loads(replayed.stdout)["units"]
    tried, landed, filtered = (
        sum(unit[name] for unit in units) for name in ("tried", "landed", "filtered")
    )
    assert tried == landed + filtered == report["rows_rejected"]
    rows = project.landed("crashes").filter(pl.col("crashed_at").dt.date() <= DAY)
    assert len(rows) == report["rows_landed"] + landed
    # The columns of rows that had landed are derived again, where their unit was replayed.
    replayed_days = [unit["unit"][:8] for unit in units]
    again = rows.filter(pl.col("crashed_at").dt.strftime("%Y%m%d").is_in(replayed_days))
    assert set(again["x"]) == {None, 2.0}
    variant(tmp_path, "crashes", keys + "1 + 1\n  y: CONCAT(binary_name, 'x')\n")
    assert "adds y, changes x from float to int" in called("check", capsys=capsys).stderr
    rewritten = called("lake", "rewrite", "crashes", "--json", capsys=capsys)
    assert rewritten.returncode == 0, rewritten.stderr
    assert json.loads(rewritten.stdout)["columns"] == ["x", "y"]
    rows = project.landed("crashes")
    assert rows["x"].to_list() == [2] * len(rows)
    assert (rows["y"] == rows["binary_name"] + "x").all()
    assert "adds" not in called("check", capsys=capsys).stderr


def test_a_snapshot_may_be_left_empty_by_where_but_not_shrink_unasked(
    project: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variant(tmp_path, "users", "where: user_name = 'Nobody'\n")
    empty = called("export", "users", "--json", capsys=capsys)
    assert empty.returncode == 0, empty.stderr
    (unit,) = json.loads(empty.stdout)["outcomes"]
    assert unit["rows_landed"] == 0 < unit["rows_filtered"] == unit["rows_read"]
    assert "left out all" in unit["warnings"][0]
    assert project.landed("users").is_empty()
    variant(tmp_path, "users", "")
    assert called("export", "users", capsys=capsys).returncode == 0
    variant(tmp_path, "users", "where: user_name = 'Nobody'\n")
    refused = called("export", "users", capsys=capsys)
    assert refused.returncode == 6
    assert "were left out by where" in refused.stderr
    assert called("export", "users", "--accept-shrink", capsys=capsys).returncode == 0
