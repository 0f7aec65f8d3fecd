"""The ledger of enrichment, in SQLite and in PostgreSQL."""

import itertools
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sqlalchemy import text

from connectors.errors import DataRefusedError, StaleError, UnavailableError, UsageError
from connectors.ledger import Ledger, PlanRecord, SyncRecord, open_ledger
from connectors.ledger.engine import HEAD
from tests.databases import Server
from tests.planning import NAME, NOW, OWNER, SITE, UID, known
from tests.sampling import sampled

SYNC = "cmdb_devices"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_url, "acme.eu", lambda: NOW)
    yield opened
    opened.close()


def plan(plan_id: str, **more: Any) -> PlanRecord:
    settings: dict[str, Any] = {
        "plan_id": plan_id,
        "sync": SYNC,
        "sha256": "0" * 64,
        "location": "_plans/x",
        "created_at": NOW,
        "version": 0,
        "identification": NAME,
        "specification": "s",
        "summary": {"rows": 1},
    }
    return PlanRecord(**(settings | more))


def test_rows_come_back_as_they_were_saved(ledger: Ledger) -> None:
    rows = known(
        {"key": "a", "value": "A", "acknowledged_at": NOW, "plan_id": "p", "code": "ENRICH_011"},
        {"key": "a", "field": SITE, "value": "", "open_value": "B", "state": "open"},
        {"key": "b", "open_value": "C", "state": "unknown", "retry_at": NOW + timedelta(days=1)},
    )
    ledger.enriched.save(SYNC, rows)
    assert_frame_equal(ledger.enriched.read(SYNC), rows)
    assert_frame_equal(ledger.enriched.read(SYNC, settled=False), rows[1:])
    counts = ledger.enriched.counts(SYNC)
    assert (counts.keys, counts.keys_with_value) == (2, 1)
    assert counts.rows == {"acknowledged": 1, "open": 1, "unknown": 1}


def test_saving_again_replaces_and_tells_syncs_and_tenants_apart(
    ledger_url: str, ledger: Ledger
) -> None:
    other = open_ledger(ledger_url, "other.eu")
    for place, sync in ((ledger, SYNC), (ledger, "hr_users"), (other, SYNC)):
        place.enriched.save(sync, known({"key": "a", "value": "A"}))
    changed = known({"key": "a", "value": None, "open_value": "B", "state": "open"})
    ledger.enriched.save(SYNC, changed)
    assert_frame_equal(ledger.enriched.read(SYNC), changed)
    assert ledger.enriched.forget(SYNC) == 1
    assert ledger.enriched.read(SYNC).is_empty()
    assert (ledger.enriched.counts(SYNC).keys, ledger.enriched.counts("hr_users").keys) == (0, 1)
    assert other.enriched.read(SYNC)["value"].to_list() == ["A"]
    other.close()


KEYS = ["-", "A", "Z", "_", "a", "aa", "z", "ß", "ä", "中", "😀"]


def test_ranges_are_cut_bytewise_whatever_the_order_of_the_database(ledger: Ledger) -> None:
    ledger.enriched.save(SYNC, known(*({"key": key, "value": key} for key in reversed(KEYS))))
    assert ledger.enriched.read(SYNC)["key"].to_list() == KEYS == sorted(KEYS)
    for low, high in itertools.combinations(range(len(KEYS)), 2):
        found = ledger.enriched.read(SYNC, KEYS[low], KEYS[high])["key"].to_list()
        assert found == KEYS[low + 1 : high + 1]
    assert ledger.enriched.read_keys(SYNC, pl.Series(["z", "😀", "A", "?"]))["key"].to_list() == [
        "A",
        "z",
        "😀",
    ]
    assert ledger.enriched.read_keys(SYNC, pl.Series([], dtype=pl.String)).is_empty()
    assert ledger.enriched.key_at(SYNC, "A", "z", 2) == "a"
    assert ledger.enriched.key_at(SYNC, "A", "z", 5) is None
    ledger.absences.record(SYNC, pl.Series(KEYS), NOW)
    assert ledger.absences.read(SYNC, "Z", "ä")["key"].to_list() == KEYS[3:9]


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TRICKY = st.sampled_from(
    ["\\.", "\\N", '"', '""', ",", "\r", "\n\\.\n", "", " ", "\\", "'", "%s", "\x7f"]
)


def test_postgresql_is_told_to_compare_keys_bytewise(ledger: Ledger) -> None:
    if ledger._engine.dialect.name == "sqlite":
        return
    query = (
        "SELECT table_name, collation_name FROM information_schema.columns "
        "WHERE column_name = 'key' ORDER BY table_name"
    )
    with ledger._engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    assert found == [("enriched", "C"), ("enrichment_absences", "C")]


@given(values=st.lists(st.none() | VALUES | TRICKY, min_size=1, max_size=30))
@settings(max_examples=sampled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives(ledger: Ledger, values: list[str | None]) -> None:
    rows = known(
        *(
            {"key": f"k{number:03}{value or ''}", "identity": value or "", "value": value}
            for number, value in enumerate(values)
        )
    )
    ledger.enriched.forget(SYNC)
    ledger.enriched.save(SYNC, rows)
    assert_frame_equal(ledger.enriched.read(SYNC), rows)
    some = rows["key"].head(5)
    assert_frame_equal(ledger.enriched.read_keys(SYNC, some), rows.head(5))


def test_thousands_of_keys_are_found_again(ledger: Ledger) -> None:
    rows = known(*({"key": f"{number:06}", "value": "v"} for number in range(12_000)))
    ledger.enriched.save(SYNC, rows)
    assert_frame_equal(ledger.enriched.read_keys(SYNC, rows["key"].shuffle(1)), rows)


def test_a_row_that_cannot_be_kept_is_told_without_it(ledger: Ledger) -> None:
    broken = known({"key": "MARKED"}).with_columns(identity=pl.lit(None, pl.String))
    with pytest.raises(DataRefusedError) as caught:
        ledger.enriched.save(SYNC, broken)
    assert "MARKED" not in str(caught.value)


def test_postgresql_tells_what_it_refuses_without_quoting_it(
    postgres: Server, tmp_path: Path
) -> None:
    del tmp_path
    ledger = open_ledger(postgres.url.replace("postgresql://", "postgresql+psycopg://"), "acme.eu")
    with pytest.raises(DataRefusedError) as caught:
        ledger.enriched.save(SYNC, known({"key": "a", "value": "MARKED\0"}))
    assert "MARKED" not in str(caught.value)
    assert ledger.enriched.read(SYNC).is_empty()
    ledger.close()


def test_a_ledger_without_its_tables_is_one_clear_error(ledger_url: str, ledger: Ledger) -> None:
    del ledger_url
    with ledger._engine.begin() as connection:
        connection.execute(text("ALTER TABLE enriched RENAME TO elsewhere"))
    with pytest.raises((UnavailableError, DataRefusedError)):
        ledger.enriched.save(SYNC, known({"key": "a", "value": "MARKED"}))


def test_an_older_ledger_is_upgraded_and_keeps_what_it_had(ledger_url: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine, inspect  # noqa: PLC0415

    from connectors.ledger.engine import MIGRATIONS  # noqa: PLC0415

    engine = create_engine(ledger_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    older = sorted(inspect(engine).get_table_names())
    assert "enriched" not in older
    ledger = open_ledger(ledger_url, "acme.eu")
    ledger.enriched.save(SYNC, known({"key": "a", "value": "A"}))
    ledger.close()
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    assert sorted(inspect(engine).get_table_names()) == older
    engine.dispose()


# Absences -----------------------------------------------------------------------------------------


def scans(ledger: Ledger) -> dict[str, int]:
    return dict(ledger.absences.read(SYNC).select("key", "scans").iter_rows())


def test_absences_count_consecutive_scans(ledger: Ledger) -> None:
    later = NOW + timedelta(days=1)
    ledger.absences.record(SYNC, pl.Series(["a", "b"]), NOW)
    ledger.absences.record(SYNC, pl.Series(["b", "c"]), later)
    assert scans(ledger) == {"b": 2, "c": 1}
    assert ledger.absences.read(SYNC)["since"].to_list() == [NOW, later]
    assert ledger.absences.count(SYNC) == 2
    ledger.absences.record(SYNC, pl.Series([], dtype=pl.String), later)
    assert scans(ledger) == {}
    ledger.absences.record(SYNC, pl.Series(["a"]), NOW)
    ledger.absences.forget(SYNC)
    assert scans(ledger) == {}


def test_cursors_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{file}", "acme.eu", lambda: NOW)
    ledger.syncs.ensure(SYNC)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE syncs SET cursors = '{broken', keys = 7")
    database.close()
    record = ledger.syncs.read(SYNC)
    assert (record.cursors, record.keys, record.is_damaged) == (None, 7, True)
    ledger.close()


# Plans --------------------------------------------------------------------------------------------


def test_a_plan_is_begun_settled_and_finished(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("p", cursors={"cmdb": "c1"}, keys=7))
    assert ledger.plans.get("nobody") is None
    assert (ledger.plans.get("p") or plan("x")).summary == {"rows": 1}
    assert ledger.plans.start("p").state == "applying"
    ledger.plans.begin("p", "k5")
    ledger.plans.settle("p", "k3")
    found = ledger.plans.of(SYNC)[0]
    assert (found.begun_to, found.settled_to, found.begun_at) == ("k5", "k3", NOW)
    assert ledger.syncs.read(SYNC).cursors is None
    ledger.plans.finish("p")
    assert ledger.syncs.read(SYNC) == SyncRecord(1, NAME, "s", {"cmdb": "c1"}, NOW, 7)
    assert ledger.plans.start("p").state == "applied"
    assert ledger.syncs.read(SYNC).version == 1


def test_a_plan_without_cursors_leaves_those_of_the_sync(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("p", cursors={"cmdb": "c1"}, keys=7))
    ledger.plans.start("p")
    ledger.plans.finish("p")
    ledger.plans.add(plan("retry", version=1))
    ledger.plans.start("retry")
    ledger.plans.finish("retry")
    after = ledger.syncs.read(SYNC)
    assert (after.cursors, after.keys, after.version) == ({"cmdb": "c1"}, 7, 2)


def test_of_two_plans_the_one_that_is_begun_first_makes_the_other_stale(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("first"))
    ledger.plans.add(plan("second"))
    ledger.plans.start("second")
    with pytest.raises(StaleError, match="another plan"):
        ledger.plans.start("first")
    assert ledger.plans.of(SYNC, state=None)[-1].state == "stale"
    with pytest.raises(UsageError, match="no plan"):
        ledger.plans.start("third")


def test_an_apply_is_gone_on_with_until_another_plan_is_begun(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("killed"))
    ledger.plans.start("killed")
    ledger.plans.begin("killed", "k")
    ledger.plans.add(plan("meanwhile", version=1))
    assert ledger.plans.start("killed").begun_to == "k"
    # It changed the ledger once more, which the other plan has not seen.
    with pytest.raises(StaleError):
        ledger.plans.start("meanwhile")
    ledger.plans.add(plan("next", version=2))
    ledger.plans.start("next")
    with pytest.raises(StaleError):
        ledger.plans.start("killed")
    ledger.plans.finish("killed")
    assert (ledger.plans.get("killed") or plan("x")).state == "stale"


def test_another_identification_drops_what_is_known_when_its_plan_is_begun(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("p"))
    ledger.plans.start("p")
    ledger.enriched.save(SYNC, known({"key": "a", "value": "A"}))
    ledger.absences.record(SYNC, pl.Series(["a"]), NOW)
    ledger.plans.add(plan("q", version=1, identification=UID))
    assert ledger.enriched.counts(SYNC).keys == 1
    ledger.plans.start("q")
    assert (ledger.enriched.counts(SYNC).keys, ledger.absences.count(SYNC)) == (0, 0)
    ledger.enriched.save(SYNC, known({"key": "u", "field": OWNER, "value": "A"}))
    ledger.plans.start("q")
    assert ledger.enriched.counts(SYNC).keys == 1


def test_accepted_guards_are_kept_with_the_plan(ledger: Ledger) -> None:
    ledger.syncs.ensure(SYNC)
    ledger.plans.add(plan("p", accepted={"shrink": "site closed"}))
    ledger.plans.accept("p", {"clears": "agreed"})
    assert ledger.plans.of(SYNC)[0].accepted == {"shrink": "site closed", "clears": "agreed"}


def test_a_sync_is_recorded_once(ledger: Ledger) -> None:
    assert ledger.syncs.read(SYNC) == SyncRecord()
    assert ledger.syncs.ensure(SYNC) == ledger.syncs.ensure(SYNC) == SyncRecord()
    ledger.syncs.forget(SYNC)
