"""Replaying rejects with a lake and a ledger but without a tenant."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from connectors.catalogue import Column, DatasetSpecification
from connectors.clock import utc_now
from connectors.errors import DataRefusedError, HeldError, StorageError, UsageError
from connectors.lake import Entry, Lake
from connectors.lake.landing import LakeLanding
from connectors.lake.layout import CURRENT
from connectors.lake.records import write_rejects
from connectors.lake.rejects import reject_files
from connectors.ledger import Ledger, open_ledger
from connectors.settings.installation import load_settings
from tasks.columns.conform import RAGGED, REJECTS_SCHEMA, Conformer
from tasks.columns.header import match_header
from tasks.runs.opening import Parts
from tasks.upkeep.refit import ReplayRun
from tasks.upkeep.replay import replay_unit, try_unit
from tasks.upkeep.reshape import RowShape, reshape

EXPORTED = datetime(2026, 11, 20, 9, tzinfo=UTC)
SLOT = datetime(2026, 11, 20, tzinfo=UTC)
UNIT = "20261120T000000Z"
OLD, NEW = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
HEADER = ["thing.uid", "thing.size"]
KEYED: dict[str, Any] = {"shards": [{"name": "rest"}]}


def specification(**changes: Any) -> DatasetSpecification:
    return DatasetSpecification.model_validate(
        {
            "dataset": "things",
            "query_id": "#things",
            "mode": "snapshot",
            "columns": [
                {"nql": "thing.uid", "name": "uid", "key": True},
                {"nql": "thing.size", "name": "size", "type": "int"},
            ],
            **changes,
        }
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "t")
    yield made
    made.close()


@pytest.fixture
def tools(tmp_path: Path, ledger: Ledger) -> ReplayRun:
    """Return a replay of a lake in which the run OLD has landed two rows."""
    lake = Lake(str(tmp_path), "t")
    layout = match_header(HEADER, specification())
    conformer = Conformer(layout, "UTC", OLD, EXPORTED)
    landed = conformer.conform(pl.DataFrame([("a", "1"), ("b", "2")], HEADER, orient="row")).landed
    schema = conformer.arrow_schema()
    with lake.stage("things", OLD, UNIT, schema) as stage:
        stage.write(f"snapshot={UNIT}", landed.to_arrow().cast(schema))
        staged = stage.finish()
    ends_at = SLOT + timedelta(days=1)
    entry = Entry(
        unit=UNIT,
        starts_at=SLOT,
        ends_at=ends_at,
        run_id=OLD,
        exported_at=EXPORTED,
        rows=2,
        files=(),
    )
    lake.publish("things", "snapshot", entry, staged, schema)
    settings = load_settings({"NXP_HOME": str(tmp_path / "home")})
    parts = Parts(
        run_id=NEW,
        settings=settings,
        tenant="acme.eu",
        ledger=ledger,
        lake=lake,
        spool=tmp_path / "spool",
        clock=utc_now,
        started_at=utc_now(),
    )
    return ReplayRun(
        zone_setting="time_zone in nxp.toml",
        parts=parts,
        specification=specification(),
        landings=[LakeLanding(lake, specification())],
        zone="UTC",
    )


def reject(tools: ReplayRun, rows: list[dict[str, str | None] | str]) -> None:
    """Write rows as OLD's rejects; a text is a row of the wrong length."""
    ragged = [isinstance(row, str) for row in rows]
    reasons = [[RAGGED] if one else ["size: not int"] for one in ragged]
    records = [None if any(ragged) else i + 10 for i in range(len(rows))]
    frame = pl.DataFrame({"record": records, "reasons": reasons}, REJECTS_SCHEMA)
    raw = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    write_rejects(tools.lake, "things", UNIT, OLD, frame.to_arrow(), raw)


def row(uid: str | None, size: str | None) -> dict[str, str | None]:
    return {"thing.uid": uid, "thing.size": size}


def landed(tools: ReplayRun) -> pl.DataFrame:
    path = tools.lake.dataset_folder("things") / CURRENT.slot(UNIT) / "data.parquet"
    return pl.read_parquet(path, hive_partitioning=False)


def test_replayed_rows_join_those_that_have_landed_and_say_where_they_are_from(
    tools: ReplayRun,
) -> None:
    reject(tools, [row("c", "3"), row("d", "x"), row(None, "5"), row("e", None)])
    (file,) = reject_files(tools.lake, "things", OLD)
    done = replay_unit(tools, file)
    assert (done.tried, done.landed, done.rejected) == (4, 2, 2)
    frame = landed(tools)
    assert frame.select("uid", "size", "_nxp_run_id").rows() == [
        ("a", 1, OLD),
        ("b", 2, OLD),
        ("c", 3, NEW),
        ("e", None, NEW),
    ]
    assert frame["_nxp_exported_at"].unique().to_list() == [EXPORTED]
    (left,) = reject_files(tools.lake, "things", NEW)
    assert [(one.record, one.reasons) for one in left.rows()] == [
        (11, ("size: not int",)),
        (12, ("uid: null in a required column",)),
    ]
    assert [json.loads(text)["thing.uid"] for text in left.raw()] == ["d", None]


def test_rows_of_a_wrong_length_stay_rejects(tools: ReplayRun) -> None:
    reject(tools, [row("c", "3"), "d,4,5"])
    (file,) = reject_files(tools.lake, "things", OLD)
    done = replay_unit(tools, file)
    assert (done.landed, done.rejected) == (1, 1)
    (left,) = reject_files(tools.lake, "things", NEW)
    assert ([one.reasons for one in left.rows()], left.raw()) == ([(RAGGED,)], ["d,4,5"])


def test_only_rows_of_a_wrong_length_fit_nothing(tools: ReplayRun) -> None:
    reject(tools, ["d,4,5"])
    (file,) = reject_files(tools.lake, "things", OLD)
    assert try_unit(tools, file).state == replay_unit(tools, file).state == "nothing fits"
    assert not reject_files(tools.lake, "things", NEW)


def test_with_shards_a_key_that_has_landed_is_not_added(tools: ReplayRun) -> None:
    reject(tools, [row("b", "9"), row("c", "3"), row("c", "4")])
    (file,) = reject_files(tools.lake, "things", OLD)
    keyed = replace(tools, specification=specification(**KEYED))
    assert replay_unit(keyed, file).landed == 1
    assert landed(tools).select("uid", "size").rows() == [("a", 1), ("b", 2), ("c", 4)]


def test_a_unit_that_another_run_holds_is_left_alone(tools: ReplayRun) -> None:
    reject(tools, [row("c", "3")])
    (file,) = reject_files(tools.lake, "things", OLD)
    before = tools.lake.manifest("things")
    lease = tools.ledger.lease("things", UNIT, SLOT, SLOT + timedelta(days=1), "another")
    with lease, pytest.raises(HeldError, match="is held by run another"):
        replay_unit(tools, file)
    assert tools.lake.manifest("things") == before


def test_reasons_and_text_that_do_not_belong_together_are_refused(tools: ReplayRun) -> None:
    reject(tools, [row("c", "3")])
    (file,) = reject_files(tools.lake, "things", OLD)
    reject(tools, [row("c", "3"), row("d", "4")])
    raw = tools.lake.folder / "_rejects_raw" / "dataset=things" / file.path.rpartition("/")[2]
    kept = raw.read_bytes()
    reject(tools, [row("c", "3")])
    raw.write_bytes(kept)
    with pytest.raises(StorageError, match="belong to different rows"):
        replay_unit(tools, file)


def test_a_run_id_is_no_pattern(tools: ReplayRun) -> None:
    with pytest.raises(UsageError, match="not a run id"):
        reject_files(tools.lake, "things", "*")


def shape(**column: Any) -> RowShape:
    return RowShape(
        "things", UNIT, (Column.model_validate({"nql": "x", **column}),), pa.schema([]), "UTC"
    )


def frame(values: pl.Series) -> pl.DataFrame:
    own = {"_nxp_run_id": OLD, "_nxp_exported_at": EXPORTED}
    return values.to_frame("x").with_columns(**{name: pl.lit(v) for name, v in own.items()})


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pl.Series(["1", "", None]), "int", [1, None, None]),
        (pl.Series(["1", "", None]), "string", ["1", "", None]),
        (pl.Series(["[a]", None]), "list", [["a"], None]),
        (pl.Series(["{}"]), "json", ["{}"]),
        (pl.Series([1, None]), "float", [1.0, None]),
        (pl.Series([1, None]), "bytes", [1, None]),
        (pl.Series(["1", "x"]), "int", "do not fit"),
        (pl.Series([1]), "string", "a type other than string"),
        (pl.Series([1.0]), "int", "a type other than int"),
        (pl.Series([True]), "int", "a type other than int"),
        (pl.Series([["a"]]), "string", "a type other than string"),
    ],
)
def test_landed_values_follow_a_type_only_where_it_is_exact(
    values: pl.Series, kind: str, expected: list[Any] | str
) -> None:
    if isinstance(expected, str):
        with pytest.raises(DataRefusedError, match=expected) as refused:
            reshape(frame(values), shape(type=kind))
        assert "export it again" in str(refused.value)
    else:
        assert reshape(frame(values), shape(type=kind))["x"].to_list() == expected
