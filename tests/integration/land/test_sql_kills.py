"""kill -9 of landings in PostgreSQL at random moments: units stay whole, the next run is right."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Row, Server, SqlPlace
from tests.landing import NOW, Place, catalogue, place
from tests.victims import ended, start

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("NXP_CHAOS_SQL_KILLS", "30"))
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
PERIOD = ("2026-11-16", "2026-11-19")
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "windows": ("crashes", {}),
    "partitions": ("crashes", {"partition": "window"}),
    "replace": ("devices", {"snapshot": "replace"}),
    "upsert": ("devices", {"snapshot": "upsert"}),
    "append": ("devices", {"snapshot": "append"}),
}


def database(postgres: Server) -> SqlPlace:
    """Return an empty schema, as the connection's own."""
    return SqlPlace("postgres", f"{postgres.url}&options=-csearch_path%3D{postgres.schema()}")


def land(made: Place, dataset: str, there: SqlPlace, home: Path) -> Any:
    """Start a landing in a database, from a home of its own."""
    env = {
        **made.environment,
        "NXP_DATABASE_URL": there.url,
        "NXP_HOME": str(home),
        "NXP_LAKE": str(home / "lake"),
        "NXP_LEDGER_URL": f"sqlite:///{home}.db",
    }
    period = PERIOD if dataset == "crashes" else ()
    return start("tests.land_once", NOW.isoformat(), dataset, *period, env=env)


def values(rows: list[Row]) -> list[str]:
    """Return all values but those of the run, in one order."""
    own = ("_nxp_run_id", "_nxp_exported_at")
    return sorted(repr([(k, v) for k, v in sorted(row.items()) if k not in own]) for row in rows)


@pytest.mark.parametrize("mode", MODES)
def test_kills_leave_whole_units_and_the_next_run_lands_the_same(
    mode: str, postgres: Server, tmp_path: Path
) -> None:
    dataset, options = MODES[mode]
    landings: list[Any] = ["parquet", {"sql": options}]
    catalogue(tmp_path, {}, **{dataset: {"landings": landings}})
    chance, killed, length = random.Random(SEED), 0, 1.0
    with place(tmp_path, devices=300, export_time=0.05) as made:
        clean, hit = database(postgres), database(postgres)
        assert ended(land(made, dataset, clean, tmp_path / "clean")) == 0
        expected = values(clean.table(dataset))
        for _ in range(KILLS):
            victim = land(made, dataset, hit, tmp_path / "hit")
            time.sleep(chance.uniform(0.2 * length, length))
            victim.kill()
            missed = ended(victim) == 0
            # Near the end of a landing, however fast the machine is at the moment.
            length *= 0.75 if missed else 1.15
            killed += not missed
            rows = hit.table(dataset)
            runs = [unit["run_id"] for unit in hit.units()]
            assert {row["_nxp_run_id"] for row in rows} <= set(runs)
            assert len(rows) == sum(unit["rows"] for unit in hit.units())
        assert ended(land(made, dataset, hit, tmp_path / "hit")) == 0
        assert values(hit.table(dataset)) == expected
        assert killed > KILLS // 3
    assert not any((tmp_path / "hit" / "spool").iterdir())
