"""The ledger on a real database file: leases, takeover, journal, migrations."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import CacheStats

from connectors.errors import ConfigurationError, HeldError, StorageError, UnavailableError
from connectors.ledger import JournalledExport, Ledger, open_ledger
from connectors.ledger.engine import HEAD, MIGRATIONS, migrate
from connectors.ledger.leases import Holder
from tests.forks import fork

START = datetime(2026, 11, 19, tzinfo=UTC)
END = START + timedelta(days=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu", clock) as opened:
        yield opened


def test_a_new_ledger_and_one_upgraded_from_nothing_have_the_same_tables(ledger_url: str) -> None:
    engine = create_engine(ledger_url)
    open_ledger(ledger_url, "acme.eu").close()
    made = described(engine)
    with engine.begin() as connection:
        for table in made:
            connection.execute(text(f"DROP TABLE {table}"))
    migrate(engine)
    assert described(engine) == made
    assert len(made) > 10
    newest = max(path.name for path in (MIGRATIONS / "versions").glob("0*.py"))
    assert newest.startswith(HEAD)
    engine.dispose()


def described(engine: Engine) -> dict[str, Any]:
    """Return all that a database says about its tables."""
    found = inspect(engine)
    return {
        table: {
            "columns": {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in found.get_columns(table)
            },
            "primary key": found.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(
                tuple(each["column_names"]) for each in found.get_unique_constraints(table)
            ),
            "indexes": sorted(
                (str(each["name"]), tuple(map(str, each["column_names"])), bool(each["unique"]))
                for each in found.get_indexes(table)
            ),
            "foreign keys": sorted(
                (tuple(each["constrained_columns"]), each["referred_table"])
                for each in found.get_foreign_keys(table)
            ),
        }
        for table in sorted(found.get_table_names())
    }


@pytest.mark.parametrize("table", ["_alembic_tmp_units", "watermarks"])
def test_an_upgrade_that_was_killed_is_made_whole_by_the_next_start(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    older = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with older.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO units (tenant, dataset, unit, starts_at, ends_at, state, landed_at, "
                "export_id, export_query, export_started_at) VALUES ('acme.eu', 'd', 'u', "
                ":at, :at, 'landed', :at, 'e', 'q', :at)"
            ),
            {"at": "2026-11-19 00:00:00.000000"},
        )
    older.dispose()

    def die(*arguments: object) -> None:
        if f"CREATE TABLE {table}" in str(arguments[2]):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        listening = create_engine(url)
        event.listen(listening, "after_cursor_execute", die)
        patched.setattr("connectors.ledger.engine.create_engine", lambda *_, **__: listening)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(url, "acme.eu")
    with open_ledger(url, "acme.eu") as ledger:
        assert ledger.journal.read("d", "u") == JournalledExport("e", "q", START)
        (unit,) = ledger.units("d")
        assert (unit.state, unit.landed_at, unit.exported_at) == ("landed", START, START)


def test_a_ledger_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_ledger(url, "acme.eu").close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer version"):
        open_ledger(url, "acme.eu")


@pytest.mark.parametrize(
    "url", ["nonsense", "nosuch://x", "sqlite:////proc/nowhere/ledger.db", "oracle://u:pw@h/x"]
)
def test_a_ledger_that_cannot_be_opened_is_one_clear_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="NXP_LEDGER_URL") as caught:
        open_ledger(url, "acme.eu")
    assert "pw" not in str(caught.value)


def test_a_ledger_below_a_file_or_at_a_folder_is_described_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        open_ledger(f"sqlite:///{tmp_path}/file/ledger.db", "acme.eu")
    with pytest.raises(StorageError, match="it is a folder"):
        open_ledger(f"sqlite:///{tmp_path}", "acme.eu")


def test_a_held_unit_is_refused_until_it_is_given_back(ledger: Ledger) -> None:
    with ledger.lease("d", "u", START, END, "first"):
        with pytest.raises(HeldError, match="run first"):
            ledger.lease("d", "u", START, END, "second")
        with ledger.lease("d", "next", END, END + timedelta(days=1), "second"):
            pass
    with ledger.lease("d", "u", START, END, "second"):
        pass


def test_a_unit_of_another_name_over_the_same_time_is_refused_too(ledger: Ledger) -> None:
    week = START - timedelta(days=3), END + timedelta(days=3)
    with ledger.lease("d", "week", *week, "first"), pytest.raises(HeldError, match="week is held"):
        ledger.lease("d", "day", START, END, "second")
    with ledger.lease("d", "day", START, END, "second"):
        pass


def test_a_silent_holder_is_taken_over_after_its_lease_and_notices(
    ledger: Ledger, clock: Clock
) -> None:
    with ledger.lease("d", "u", START, END, "slow") as lost:
        clock.now += timedelta(minutes=3)
        with ledger.lease("d", "u", START, END, "quick") as held:
            with pytest.raises(HeldError, match="lost"):
                lost.check()
            held.check()


def _hold_and_die(url: str) -> None:
    ledger = open_ledger(url, "acme.eu")
    ledger.begin_run("dead", "d", "scheduled")
    ledger.lease("d", "u", START, END, "dead")


def test_a_dead_process_of_this_machine_is_taken_over_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(url,))
    process.start()
    process.join()
    with open_ledger(url, "acme.eu") as ledger:
        assert ledger.runs()[0]["state"] == "interrupted"
        assert ledger.states(["dead", "unknown"]) == {"dead": "running"}
        ledger.close_interrupted_runs()
        assert ledger.states(["dead", "unknown"]) == {"dead": "interrupted"}
        with ledger.lease("d", "u", START, END, "alive"):
            pass


def test_a_process_id_says_nothing_of_a_process_in_another_space(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    gone = replace(Holder.of_this_process("afar"), pid=2**22, started=1)
    assert gone.is_known_dead()
    afar = replace(gone, space="4026532000-another-boot")
    assert Holder.parse(str(afar)) == afar
    assert not afar.is_known_dead()
    with ledger.lease("d", "u", START, END, "afar") as lease:
        ledger.begin_run("afar", "d", "scheduled")
        engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        with engine.begin() as connection:
            for table in ("units", "runs"):
                written = text(f"UPDATE {table} SET holder = :holder")  # noqa: S608
                connection.execute(written, {"holder": str(afar)})
        engine.dispose()
        assert not lease.renew()
    with pytest.raises(HeldError, match="run afar"):
        ledger.lease("d", "u", START, END, "near")
    ledger.close_interrupted_runs()
    assert ledger.states(["afar"]) == {"afar": "running"}
    clock.now += timedelta(days=2)
    # Its lease ran out long ago, and it holds nothing else.
    assert [run["state"] for run in ledger.runs()] == ["interrupted"]
    ledger.close_interrupted_runs()
    assert ledger.states(["afar"]) == {"afar": "interrupted"}


def test_a_holder_that_an_older_version_wrote_is_read() -> None:
    written = "host/7/1795000000/run"
    assert Holder.parse(written) == Holder("host", 7, 1795000000, "run")
    assert str(Holder.parse(written)) == written


def test_of_many_threads_exactly_one_gets_the_lease(ledger: Ledger) -> None:
    gate = threading.Barrier(8)
    got: list[str] = []

    def run(name: str) -> None:
        gate.wait()
        try:
            ledger.lease("d", "u", START, END, name)
        except HeldError:
            return
        got.append(name)

    threads = [threading.Thread(target=run, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_two_processes_that_start_on_a_new_ledger_both_succeed(tmp_path: Path) -> None:
    program = (
        "import sys; from connectors.ledger import open_ledger; open_ledger(sys.argv[1], 'a.eu')"
    )
    url = f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    started = [fork("tests.program_once", program, url, env=os.environ) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]


def test_a_process_compiles_a_statement_once_however_often_it_opens_ledgers(
    ledger_url: str,
) -> None:
    hits: list[object] = []

    def note(*given: Any) -> None:
        hits.append(given[4].cache_hit)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for _ in range(2):
            with open_ledger(ledger_url, "a.eu") as ledger:
                ledger.units("d")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert hits[-1] is CacheStats.CACHE_HIT


def test_a_failure_is_recorded_and_does_not_undo_what_had_landed(ledger: Ledger) -> None:
    with ledger.lease("d", "u", START, END, "r"):
        export = JournalledExport("e", "q", START)
        ledger.journal.write("d", "u", export)
        assert ledger.journal.read("d", "u") == export
        ledger.mark_failed("d", "u", "why")
        assert ledger.unit("d", "u").state == "failed"  # type: ignore[union-attr]
        ledger.mark_landed("d", "u", "r", 7, START)
        ledger.mark_failed("d", "u", "why again")
        after = ledger.unit("d", "u")
    assert after is not None
    assert (after.state, after.rows_landed, after.last_error) == ("landed", 7, "why again")
    assert ledger.journal.read("d", "u") is None


def test_a_ledger_that_goes_away_meanwhile_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}", "acme.eu") as ledger:
        with sqlite3.connect(path) as saboteur:
            saboteur.execute("DROP TABLE units")
        saboteur.close()
        with pytest.raises(UnavailableError, match="ledger cannot be used"):
            ledger.units("d")


def test_tenants_do_not_see_each_other(tmp_path: Path, ledger: Ledger) -> None:
    with (
        open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "other.eu") as other,
        ledger.lease("d", "u", START, END, "r"),
        other.lease("d", "u", START, END, "r"),
    ):
        assert other.runs() == []
