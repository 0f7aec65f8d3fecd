"""Computing a dataset's expressions on batches: what lands, what is rejected, what is left out."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.catalogue.frame_types import FRAME_TYPES
from connectors.errors import ConfigurationError, DataRefusedError
from tasks.columns.derived import Computed, Derivation, derivation
from tasks.columns.transform import Transform, load_transform
from tests.unit.connectors.catalogue.test_expressions import things

AT = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
SCHEMA = {column.name: FRAME_TYPES[column.type] for column in things().columns}


# Infinite for the first reason that it has, and for the other.
LARGE = {"x": "1 / size + score * 1e300"}


def rows(*names: str | None, size: int | None = 3, score: float | None = 0.5) -> pl.DataFrame:
    return pl.DataFrame(
        [{"at": AT, "name": name, "size": size, "score": score, "tags": []} for name in names],
        SCHEMA,
    )


def computed(frame: pl.DataFrame, **changes: Any) -> Computed:
    found = derivation(things(**changes))
    assert found is not None
    return found.compute(frame)


def marked(result: Computed) -> dict[str, list[int]]:
    return {reason: mask.arg_true().to_list() for reason, mask in result.problems.items()}


def test_derived_columns_follow_the_declared_ones_with_the_types_that_land() -> None:
    result = computed(
        rows("a", None),
        derive={"hour": "HOUR(at)", "took": "at - at", "half": "size / 2", "one": "1"},
    )
    assert result.rows.columns[5:] == ["hour", "took", "half", "one"]
    assert result.rows.dtypes[5:] == [pl.Int64(), pl.Float64(), pl.Float64(), pl.Int64()]
    assert result.rows.row(1)[5:] == (23, 0.0, 1.5, 1)
    assert (result.problems, result.keep) == ({}, None)
    empty = computed(rows(), derive={"one": "1"}, where="true")
    assert empty.rows.schema["one"] == pl.Int64
    assert empty.rows.height == 0


def test_rows_on_which_an_expression_fails_are_rejected_alone() -> None:
    names = [str(n) for n in range(1_000)]
    names[7], names[8], names[999] = "seven", "", "last"
    result = computed(
        rows(*names), derive={"n": "CAST(name AS BIGINT)", "twice": "n * 2"}, where="n >= 10"
    )
    assert marked(result) == {"n: its expression fails": [7, 8, 999]}
    assert result.rows["twice"].to_list()[5:11] == [10, 12, None, None, 18, 20]
    assert result.keep is not None
    assert result.keep.sum() == 1_000 - 10 - 1
    failing = computed(rows("1", "x"), where="CAST(name AS BIGINT) = 1")
    assert marked(failing) == {"where: its expression fails": [1]}


def test_a_result_that_cannot_land_rejects_its_row() -> None:
    by_zero = {"x": "score / size"}
    divided = {"x: its expression divides by zero": [0]}
    assert marked(computed(rows("a", size=0), derive=by_zero)) == divided
    assert marked(computed(rows("a", size=0, score=0.0), derive=by_zero)) == divided
    assert marked(computed(rows("a", score=0.0), derive={"x": "score % 0"})) == divided
    within = {"x": "CASE WHEN name = 'a' THEN 1 - score / (size - 3) ELSE 0 / 0 END"}
    both = computed(rows("a", "b"), derive=within)
    assert marked(both) == {"x: its expression divides by zero": [0, 1]}
    large = computed(pl.concat([rows("a", score=1e10), rows("a", size=0)]), derive=LARGE)
    assert marked(large) == {
        "x: its expression divides by zero": [1],
        "x: its value is infinite or NaN": [0],
    }
    guarded = computed(rows("a", size=0), derive={"x": "score / NULLIF(size, 0)"})
    assert (guarded.problems, guarded.rows["x"].to_list()) == ({}, [None])
    far = {"x": "at + INTERVAL '9000 years'"}
    far_off = {"x: its value is outside the years 1 to 9999": [0]}
    assert marked(computed(rows("a"), derive=far)) == far_off
    beyond = computed(rows("a", size=2**62), derive={"x": "size * 4"})
    assert marked(beyond) == {"x: its expression fails": [0]}


def test_an_expression_that_fails_on_very_many_rows_refuses_the_unit() -> None:
    of = things(derive={"n": "CAST(name AS BIGINT)"}).derived
    assert of is not None
    found = Derivation("things", of, most_found=20)
    found.compute(rows(*["x"] * 15))
    with pytest.raises(DataRefusedError, match=r"things: derive\.n fails on more than") as raised:
        found.compute(rows(*["secret"] * 15))
    assert "secret" not in str(raised.value)


def test_null_does_not_pass_where() -> None:
    kept = computed(rows("a", None, "b"), where="name <> 'b'").keep
    assert kept is not None
    assert kept.to_list() == [True, False, False]


CODE = """
import polars as pl

KEPT = {"a", "b"}


def plain(rows):
    kept = rows.filter(pl.col("name").is_in(KEPT)).drop("tags")
    return kept.with_columns(n=pl.col("size").cast(pl.Int16))


def eager(rows):
    return rows.collect()


def drops_time(rows):
    return rows.drop("at")


def retimes(rows):
    return rows.with_columns(at=pl.col("at").cast(pl.String))


def reserved(rows):
    return rows.with_columns(pl.lit(1).alias("_nxp_x"), pl.lit(None).alias("y"))


def twice(rows):
    return pl.concat([rows, rows])


def fails(rows):
    if rows.collect().height:
        raise KeyError("secret")
    return rows


def fails_always(rows):
    raise RuntimeError("secret")


def leaves(rows):
    if rows.collect().height:
        raise SystemExit("secret")
    return rows


def changes(rows):
    if rows.collect().height:
        return rows.with_columns(n=1.5)
    return rows.with_columns(n=1)


def infinite(rows):
    return rows.with_columns(score=pl.lit(float("inf")))


def hours(rows):
    return rows.with_columns(pl.col("at").dt.offset_by("1h"))


def nulls(rows):
    return rows.with_columns(at=pl.lit(None, pl.Datetime("us", "UTC")))


def shares(rows):
    return rows.with_columns(share=pl.col("size") / pl.col("size").sum())


def ranks(rows):
    return rows.with_columns(place=pl.col("name").rank().over("at"))


def numbers(rows):
    return rows.with_row_index("n").with_columns(pl.col("n").cast(pl.Int64))


def now(rows):
    import time
    return rows.with_columns(seen=pl.lit(time.perf_counter_ns()))


def untyped(rows):
    return rows.with_columns(z=pl.struct("name", "size"))


def sorts(rows):
    return rows.sort("name", descending=True)


def prints(rows):
    print("looked at")
    return rows.with_columns(name=pl.col("name").map_elements(shown, return_dtype=pl.String))


def shown(name):
    print("row")
    return name
"""


def transform(tmp_path: Path, name: str, **changes: Any) -> Transform:
    (tmp_path / "transforms").mkdir(exist_ok=True)
    (tmp_path / "transforms" / "own.py").write_text(CODE)
    found = load_transform(things(transform=name, **changes), tmp_path, allow_code=True)
    assert found is not None
    return found


def test_a_transform_may_add_change_and_drop_columns_and_leave_rows_out(tmp_path: Path) -> None:
    found = transform(tmp_path, "own:plain")
    columns = found.columns(things().columns)
    assert [(column.name, str(column.type)) for column in columns] == [
        ("at", "datetime"),
        ("name", "string"),
        # A column that is left as it is keeps what the catalogue says of it.
        ("size", "bytes"),
        ("score", "float"),
        ("n", "int"),
    ]
    result = found.apply(rows("a", "x", "b"), columns)
    assert result["name"].to_list() == ["a", "b"]
    assert result.schema["n"] == pl.Int64


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own:eager", "returns DataFrame, not a LazyFrame"),
        ("own:drops_time", "drops at, which is a key or places the rows"),
        ("own:retimes", "changes the type of at"),
        ("own:reserved", "reserved or not a-z, 0-9, _: _nxp_x; returns y, but its type null"),
        ("own:fails_always", r"raises RuntimeError \(own.py, line \d+\) on a frame without rows"),
        ("own:untyped", r"z, but its type struct cannot land: write \.struct\.json_encode\(\)$"),
        ("own:nothing", "own has no function nothing"),
        ("own:KEPT", "own has no function KEPT"),
        ("nowhere:f", "no installed module nowhere"),
        ("tests.nowhere:f", "no installed module tests.nowhere"),
    ],
)
def test_a_transform_is_tried_without_rows(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        transform(tmp_path, name).columns(things().columns)
    assert str(raised.value).startswith(f"things: transform {name}")
    assert "secret" not in str(raised.value)


def test_a_transform_must_leave_what_checks_name(tmp_path: Path) -> None:
    found = transform(tmp_path, "own:plain", checks=[{"check": "not_null", "column": "tags"}])
    with pytest.raises(ConfigurationError, match="drops tags, which a check names"):
        found.columns(things().columns)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own:twice", "returned more rows than it got"),
        ("own:fails", "raised KeyError"),
        ("own:leaves", "raised SystemExit"),
        ("own:changes", "returned other columns or types"),
        ("own:infinite", "returned values of score that cannot land"),
        ("own:nulls", "made the required at null"),
        ("own:hours", "moved rows out of their window by changing at"),
    ],
)
def test_what_a_transform_does_wrong_with_rows_refuses_the_unit(
    tmp_path: Path, name: str, why: str
) -> None:
    found = transform(tmp_path, name)
    with pytest.raises(DataRefusedError, match=f"things: transform {name} {why}") as raised:
        found.apply(rows("a"), found.columns(things().columns), (AT, AT + timedelta(hours=1)))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["shares", "ranks", "numbers", "now"])
def test_a_transform_that_looks_at_other_rows_refuses_the_unit(tmp_path: Path, name: str) -> None:
    found = transform(tmp_path, f"own:{name}")
    columns = found.columns(things().columns)
    given = rows("a", "b", "c").with_columns(size=pl.lit(1, pl.Int64))
    with pytest.raises(DataRefusedError, match="it must treat each row on its own"):
        found.apply(given, columns)


def test_a_transform_may_order_rows_and_prints_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("own:sorts", "own:prints"):
        found = transform(tmp_path, name)
        result = found.apply(rows("b", "a", "c"), found.columns(things().columns))
        assert sorted(result["name"].to_list()) == ["a", "b", "c"]
    said = capsys.readouterr()
    assert ("looked at" in said.err, "row" in said.err, said.out) == (True, True, "")


def test_code_is_off_unless_the_installation_allows_it(tmp_path: Path) -> None:
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "own.py").write_text("import os; os.environ['NXP_RAN'] = '1'")
    specification = things(transform="own:f")
    with pytest.raises(ConfigurationError, match="set NXP_ALLOW_CODE=1"):
        load_transform(specification, tmp_path, allow_code=False)
    assert "NXP_RAN" not in os.environ
    (tmp_path / "transforms" / "own.py").write_text("def f(rows):\n    return rows +\n")
    with pytest.raises(ConfigurationError, match=r"raises SyntaxError \(own.py, line 2\)"):
        load_transform(specification, tmp_path, allow_code=True)
    # A file hides no installed module from others.
    (tmp_path / "transforms" / "json.py").write_text("def f(rows):\n    return rows\n")
    load_transform(things(transform="json:f"), tmp_path, allow_code=True)
    import json  # noqa: PLC0415 - after the file

    assert hasattr(json, "loads")
