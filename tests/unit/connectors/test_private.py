"""A SQLite ledger and its folder are readable by their owner only, wherever they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors import private
from connectors.ledger.engine import connect


@contextmanager
def mask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o000])
def test_a_new_ledger_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "a" / "b"
    with mask(umask):
        engine = connect(f"sqlite:///{folder / 'ledger.db'}")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (x INTEGER)"))
            files = {each.name: mode(each) for each in folder.iterdir()}
        engine.dispose()
    assert files == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)
    assert mode(tmp_path / "a") == mode(folder) == 0o700


def test_the_ledger_of_an_earlier_release_is_closed_and_keeps_its_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    tmp_path.chmod(0o755)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT 7 AS x"))
    engine.dispose()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    engine = connect(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT x FROM t")) == 7
        assert {mode(each) for each in tmp_path.iterdir()} == {0o600}
    engine.dispose()
    assert mode(tmp_path) == 0o755, "the folder is the operator's own"


def test_what_is_shared_with_a_group_on_purpose_stays_shared(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    path.chmod(0o660)
    private.make_file(path)
    assert mode(path) == 0o660


def test_a_text_is_written_in_one_step_and_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with mask(0):
        private.write(path, "one")
        private.write(path, "two")
    assert (path.read_text(), mode(path)) == ("two", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]
