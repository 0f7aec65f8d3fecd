"""SQLite files on full, read-only and failing disks, damaged or held: the disk is named, no URL."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError

from connectors.errors import ConfigurationError, PipelineError, StorageError, UnavailableError
from connectors.ledger import open_ledger
from connectors.ledger.failures import failure, unusable
from connectors.sources import Sources, open_sources
from connectors.sql import SqlLanding
from tests.databases import DAY, START, TENANT, event_rows, specify, stage
from tests.forks import fork

AT = pa.timestamp("us", "UTC")
URL = make_url("sqlite:////srv/ledger.db")
Fill = Callable[[], None]


def test_files_that_cannot_grow_are_no_wrong_url(tmp_path: Path) -> None:
    limited = fork("tests.limited_once", str(tmp_path), env=os.environ, stdout=subprocess.PIPE)
    lines = limited.communicate()[0].splitlines()
    assert len(lines) == 3, lines
    for line in lines:
        assert line.startswith("3 ")
        assert "the disk is full" in line
        assert "_URL" not in line


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Fill]]:
    """A file system of 900 KiB in memory, and what fills it; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")

    def fill() -> None:
        with (folder / "fill").open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                return

    try:
        yield folder, fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_by_ledger_and_landing(small_disk: tuple[Path, Fill]) -> None:
    folder, fill = small_disk
    url = f"sqlite:///{folder / 'ledger.db'}"
    with closing(open_ledger(url, "acme.eu")) as ledger:
        fill()

        def write() -> None:
            for n in range(300):
                ledger.begin_run(f"run {n}", "crashes" * 20, "manual")

        with pytest.raises(StorageError, match="ledger cannot be used: the disk is full"):
            write()
    with pytest.raises(StorageError, match="the disk is full") as new:
        open_ledger(f"sqlite:///{folder / 'new.db'}", "acme.eu")
    assert "URL" not in str(new.value)
    with pytest.raises(StorageError, match="the disk is full"):
        SqlLanding(f"sqlite:///{folder / 'landed.db'}", TENANT, specify()).check()


def test_a_commit_that_duckdb_cannot_write_is_said(small_disk: tuple[Path, Fill]) -> None:
    folder, fill = small_disk
    landing = SqlLanding(f"duckdb:///{folder / 'landed.duckdb'}", TENANT, specify())
    landing.check()
    fill()
    staged = stage(folder.parent, event_rows(2000), [("at", AT), ("n", pa.int64())])
    with pytest.raises(StorageError, match=r"the disk is full.*the table is unchanged"):
        staged.publish(landing)
    (folder / "fill").unlink()
    landing.drop_before(START)
    assert landing.rows_before(START, START + DAY) == 0


def test_a_read_only_file_system_is_said(small_disk: tuple[Path, Fill]) -> None:
    folder, _ = small_disk
    url = f"sqlite:///{folder / 'ledger.db'}"
    open_ledger(url, "acme.eu").close()
    landed = f"sqlite:///{folder / 'landed.db'}"
    SqlLanding(landed, TENANT, specify()).check()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    calls: list[Callable[[], object]] = [
        lambda: open_ledger(url, "acme.eu"),
        lambda: open_ledger(f"sqlite:///{folder / 'new' / 'ledger.db'}", "acme.eu"),
        lambda: SqlLanding(landed, TENANT, specify()).check(),
        lambda: SqlLanding(f"sqlite:///{folder / 'new.db'}", TENANT, specify()).check(),
    ]
    for call in calls:
        with pytest.raises(StorageError, match="read-only"):
            call()


def test_a_damaged_ledger_and_another_kind_of_file_are_said(tmp_path: Path) -> None:
    damaged, other = tmp_path / "damaged.db", tmp_path / "other.db"
    with closing(open_ledger(f"sqlite:///{damaged}", "acme.eu")) as ledger:
        ledger.begin_run("run", "crashes", "manual")
    with damaged.open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(damaged.stat().st_size - 4_096))
    with pytest.raises(StorageError, match="damaged: restore it"):
        open_ledger(f"sqlite:///{damaged}", "acme.eu").runs()
    other.write_text("no database, and longer than the header of one: " + "x" * 200)
    with pytest.raises(ConfigurationError, match=r"not a SQLite database \(NXP_LEDGER_URL\)"):
        open_ledger(f"sqlite:///{other}", "acme.eu")
    sources = Sources.model_validate(
        {"hr": {"kind": "sql", "connection": "hr", "query": "SELECT * FROM runs"}}
    )
    with (
        open_sources(sources, {"NXP_SOURCE_HR_URL": f"sqlite:///{damaged}"})["hr"] as source,
        pytest.raises(PipelineError, match="source hr: the database file is damaged"),
    ):
        source.check()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (sqlite3.OperationalError("database is locked"), UnavailableError, "locked by another"),
        (sqlite3.OperationalError("database table is locked"), UnavailableError, "locked by"),
        (sqlite3.OperationalError("database or disk is full"), StorageError, "disk is full"),
        (sqlite3.OperationalError("disk I/O error"), StorageError, "the disk is full, or fails"),
        (sqlite3.DatabaseError("database disk image is malformed"), StorageError, "damaged"),
        (psycopg.errors.DiskFull("x"), StorageError, "disk is full"),
        (psycopg.errors.ReadOnlySqlTransaction("x"), StorageError, "read-only"),
    ],
)
def test_what_a_database_says_is_the_same_at_the_start_and_during_a_run(
    error: Exception, kind: type[PipelineError], words: str
) -> None:
    at_start = unusable(URL, error)
    assert isinstance(at_start, kind)
    assert words in str(at_start)
    during = failure(DatabaseError("INSERT …", None, error))
    assert isinstance(during, kind)
    assert words in str(during)
    assert "INSERT" not in str(during)


def test_an_unknown_failure_keeps_its_words() -> None:
    unknown = OperationalError("SELECT 1", None, sqlite3.OperationalError("no such table: units"))
    assert "(no such table: units)" in str(failure(unknown))
    assert failure(ValueError("a bug")) is None
