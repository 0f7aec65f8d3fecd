"""From rows to what is wanted: objects, ranges, rejects, and what the SQL may not do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigurationError, DataRefusedError
from connectors.lake import Lake
from connectors.sources import Completeness
from connectors.syncs import KEYS_IGNORE
from tasks.sync.shape import DUPLICATE, _end, shaped
from tasks.sync.wanted import compared
from tests.sampling import sampled
from tests.shaping import AT, CENTRE, TYPE, cells, keys, pulled_of, shaping, sync_of

Rows = Mapping[str, Sequence[str | None]]
RUN = "8d8ac610-566d-4ef0-9c22-186b2a5ed793"
SECRET = "Müller-Geheim"  # noqa: S105 - a value, as people have them


def test_rows_that_say_the_same_are_one_object_whatever_case_and_blanks_of_the_key(
    tmp_path: Path,
) -> None:
    rows: Rows = {"name": ["PC-1", " pc-1\u00a0", "Pc-2"], "cost_center": ["A", "A", "B"]}
    with shaping(tmp_path, sync_of(), cmdb=rows) as (shape, ranges):
        assert keys(ranges) == {"pc-1": "PC-1", "pc-2": "Pc-2"}
        assert cells(ranges) == {("pc-1", CENTRE): "A", ("pc-2", CENTRE): "B"}
        assert (shape.counts.rows, shape.counts.keys, shape.counts.duplicates) == (3, 2, 0)
        assert shape.rejects.frame.is_empty()


@pytest.mark.parametrize(
    ("ignore", "found"),
    [
        (["case", "blanks", "nfc"], {"zoë-1": "ZOË-1", "pc": "PC"}),
        (["case"], {"zoë-1": "ZOË-1", "zoë-1": "zoë-1", "pc": "PC", " pc": " pc"}),
        ([], {"ZOË-1": "ZOË-1", "zoë-1": "zoë-1", "PC": "PC", " pc": " pc"}),
    ],
)
def test_keys_are_one_if_the_sync_says_so(
    tmp_path: Path, ignore: list[str], found: dict[str, str]
) -> None:
    rows: Rows = {"name": ["ZOË-1", "zoë-1", "PC", " pc", " "], "cost_center": ["A"] * 5}
    by = {"name": "device/device/name", "column": "name", "ignore": ignore}
    with shaping(tmp_path, sync_of(identification=by), cmdb=rows) as (shape, ranges):
        assert keys(ranges) == found
        assert shape.counts.without_key == 1


def test_rows_that_contradict_each_other_say_nothing_and_their_key_is_there(tmp_path: Path) -> None:
    rows: Rows = {"name": ["PC-1", "PC-2", "pc-1"], "cost_center": ["A", "B", "C"]}
    with shaping(tmp_path, sync_of(mode="mirror"), cmdb=rows) as (shape, ranges):
        assert set(keys(ranges)) == {"pc-1", "pc-2"}
        assert cells(ranges) == {("pc-2", CENTRE): "B"}
        assert shape.counts.duplicates == 1
        assert shape.rejects.frame.rows() == [(1, "", DUPLICATE), (3, "", DUPLICATE)]


def test_rows_without_a_key_are_rejects_and_told_by_their_number(tmp_path: Path) -> None:
    rows: Rows = {"name": [None, "PC", " \t", "a\0b", "x" * 256], "cost_center": ["A"] * 5}
    with shaping(tmp_path, sync_of(), cmdb=rows) as (shape, ranges):
        assert list(keys(ranges)) == ["pc"]
        assert shape.counts.without_key == 4
        assert shape.rejects.frame["record"].to_list() == [1, 3, 4, 5]
        assert shape.rejects.reasons == {
            ("", "no key"): 2,
            ("", "has a NUL character"): 1,
            ("", "key too long"): 1,
        }


def test_a_refused_value_says_nothing_and_the_other_fields_go_on(tmp_path: Path) -> None:
    sync = sync_of(mode="mirror", fields={CENTRE: {}, TYPE: {"column": "kind"}})
    rows: Rows = {
        "name": ["a", "b", "c"],
        "cost_center": ["x" * 65, "y", None],
        "kind": ["1", "9", None],
    }
    with shaping(tmp_path, sync, cmdb=rows) as (shape, ranges):
        assert cells(ranges) == {("a", TYPE): "1", ("b", CENTRE): "y", ("c", CENTRE): ""}
        assert (shape.counts.bad_values, shape.counts.not_clearable) == (2, 1)
        assert shape.rejects.frame.rows() == [(1, CENTRE, "too long"), (2, TYPE, "out of range")]


def test_rejects_are_kept_with_their_text_in_a_file_for_the_owner_only(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), "sandbox.eu")
    rows: Rows = {"name": [None, "b"], "cost_center": [SECRET, "x" * 65]}
    with shaping(tmp_path, sync_of(), cmdb=rows) as (shape, _):
        shape.keep_rejects(lake, RUN, AT)
    (told,) = (lake.folder / "_rejects" / "dataset=machines").glob("*.parquet")
    (raw,) = (lake.folder / "_rejects_raw" / "dataset=machines").glob("*.parquet")
    reasons = pl.read_parquet(told)["reasons"].to_list()
    assert reasons == [["no key"], [f"{CENTRE}: too long"]]
    assert SECRET.encode() not in told.read_bytes()
    texts = [json.loads(text) for text in pl.read_parquet(raw)["raw"]]
    assert texts[0] == {"name": None, "cost_center": SECRET}
    assert raw.stat().st_mode & 0o077 == 0


def test_the_select_joins_sources_and_conditions_see_its_columns(tmp_path: Path) -> None:
    sync = sync_of(
        sources={
            "cmdb": {"kind": "file", "path": "/nowhere/a.csv"},
            "sites": {"kind": "file", "path": "/nowhere/b.csv"},
        },
        sql="""
        SELECT cmdb."host.name" AS name, sites.code AS Cost_Center, CAST(state AS INT) > 6 AS gone
        FROM cmdb LEFT JOIN sites ON sites.id = cmdb.site -- the last line is a comment""",
        fields={CENTRE: {"clear_when": "gone -- and so may this be"}},
    )
    cmdb = {"host.name": ["a", "b", "c"], "site": ["1", "2", "1"], "state": ["1", "1", "7"]}
    with shaping(tmp_path, sync, cmdb=cmdb, sites={"id": ["1"], "code": ["X"]}) as (_, ranges):
        assert cells(ranges) == {("a", CENTRE): "X", ("c", CENTRE): ""}


def test_no_row_at_all_is_one_range_of_everything(tmp_path: Path) -> None:
    with shaping(tmp_path, sync_of(), cmdb={"name": [], "cost_center": []}) as (shape, ranges):
        (only,) = ranges
        assert (only.after, only.up_to, only.keys.height, only.rows.height) == (None, None, 0, 0)
        assert (only.keys.columns, only.rows.columns) == (
            ["key", "identity"],
            ["key", "field", "value"],
        )
        assert (shape.counts.rows, shape.counts.is_complete) == (0, True)


def test_a_key_of_very_many_rows_is_met_a_few_rows_at_a_time(tmp_path: Path) -> None:
    count = 60_000
    rows: Rows = {
        "name": ["same"] * count + ["twin"] * count + ["other"],
        "cost_center": [str(min(n, 7)) for n in range(count)] + ["A"] * count + ["B"],
    }
    with shaping(tmp_path, sync_of(), range_keys=100, cmdb=rows) as (shape, ranges):
        assert cells(ranges) == {("twin", CENTRE): "A", ("other", CENTRE): "B"}
        assert (shape.counts.keys, shape.counts.duplicates) == (3, 1)
        assert len(keys(ranges)) == 3
        # Each contradicting row is rejected, even if it came long before the last.
        rejected = set(shape.rejects.frame["record"])
        assert set(range(1, 8)) < rejected <= set(range(1, count + 1))


def test_few_keys_of_many_rows_are_cut_as_well() -> None:
    assert _end(pl.Series(["a"] * 300 + ["b"]), 100) == 300
    assert _end(pl.Series(["a"] * 100 + ["b"]), 100) is None
    assert _end(pl.Series(["a", "b", "b", "c"]), 2) == 3
    assert _end(pl.Series(["a"] * 300), 100) is None


def test_many_keys_come_in_ranges_of_the_asked_size(tmp_path: Path) -> None:
    count = 60_000
    rows: Rows = {"name": [f"PC-{n}" for n in range(count)], "cost_center": ["A"] * count}
    with shaping(tmp_path, sync_of(), range_keys=25_000, cmdb=rows) as (shape, ranges):
        assert [each.keys.height for each in ranges] == [25_000, 25_000, 10_000]
        assert shape.counts.keys == count
        assert sum(each.rows.height for each in ranges) == count


texts = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "a", "A", " a", "b", "ß", "SS", "é", "e\u0301", "😀", "\0", "z"]),
    st.text(max_size=3),
)


@settings(max_examples=sampled(40))
@given(
    rows=st.lists(st.tuples(texts, texts, st.sampled_from([None, "", "1", "3", "4"])), max_size=40),
    range_keys=st.integers(1, 5),
)
@example(rows=[("a", None, None), ("a", None, ""), ("a", None, "1")], range_keys=1)
def test_ranges_tile_all_keys_and_every_row_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], range_keys: int
) -> None:
    sync = sync_of(mode="mirror", fields={CENTRE: {}, TYPE: {"column": "kind"}})
    columns = {
        name: [row[place] for row in rows]
        for place, name in enumerate(("name", "cost_center", "kind"))
    }
    folder = tmp_path_factory.mktemp("shape")
    with shaping(folder, sync, range_keys=range_keys, cmdb=columns) as (shape, ranges):
        ends = [None, *(each.up_to for each in ranges)]
        assert [each.after for each in ranges] == ends[:-1]
        assert ends[-1] is None
        for each in ranges:
            own = each.keys["key"].to_list()
            assert len(own) <= range_keys
            assert own == sorted(set(own), key=str.encode)
            low, high = (each.after or "").encode(), (each.up_to or "\U0010ffff" * 9).encode()
            assert all(key.encode() <= high for key in own)
            assert all(each.after is None or low < key.encode() for key in own)
            assert set(each.rows["key"]) <= set(own)
        rejected = set(shape.rejects.frame.filter(pl.col("field") == "")["record"])
        found, wanted = keys(ranges), cells(ranges)
        names = pl.lit(pl.Series(columns["name"], dtype=pl.String))
        as_keys = pl.select(compared(names, KEYS_IGNORE)).to_series()
        # In a mirror a null clears like empty text: both mean the same.
        said = [
            (key, *(text or "" for text in row[1:])) for key, row in zip(as_keys, rows, strict=True)
        ]
        for number, (key, centre, _) in enumerate(said, 1):
            if number in rejected:
                assert not any((key, field) in wanted for field in sync.fields)
            elif any(said[other - 1] == said[number - 1] for other in rejected):
                # Of very many rows that say the same, one is enough to contradict another.
                assert not any((key, field) in wanted for field in sync.fields)
            else:
                assert key in found
                assert "\0" in centre or wanted[key, CENTRE] == centre
        assert shape.counts.rows == len(rows)
        assert shape.counts.keys == len(found)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nothing AS name, 1 AS cost_center FROM cmdb", "Referenced column"),
        ("SELECT name FROM cmdb", "selects no column cost_center"),
        ("SELECT name, name, cost_center FROM cmdb", "selects name twice"),
        (
            "SELECT name, CAST(cost_center AS INT) AS cost_center FROM cmdb",
            "column cost_center fails on row 70,000 of cmdb (Conversion)",
        ),
        (
            "SELECT name, error(cost_center) AS cost_center FROM cmdb WHERE cost_center <> '1'",
            "column cost_center fails on row 70,000 of cmdb (Invalid Input)",
        ),
    ],
)
def test_sql_that_does_not_work_is_told_in_one_line_without_a_value(
    tmp_path: Path, sql: str, words: str
) -> None:
    count = 70_000
    # Long after the first batch, when Arrow passes on DuckDB's error.
    rows: Rows = {"name": ["a"] * count, "cost_center": ["1"] * (count - 1) + [SECRET]}
    pulled = pulled_of(tmp_path / "run", {"cmdb": rows})
    lake = Lake(str(tmp_path / "lake"), "sandbox.eu")
    with (
        pytest.raises(ConfigurationError) as caught,
        shaped(sync_of(sql=sql), pulled, lake, tmp_path / "run", AT),
    ):
        pass
    assert words in str(caught.value)
    assert "machines" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "SELECT name, strptime(started, '%Y-%m-%d') AS cost_center FROM cmdb JOIN hr USING (n)",
            "column cost_center fails on row 3 of cmdb with row 2 of hr .* with try_strptime,",
        ),
        (
            "SELECT name, started AS cost_center FROM cmdb JOIN hr ON cmdb.n::INT = hr.n",
            r"a condition or join fails on row 4 of cmdb .*\(Conversion\).* with TRY_CAST,",
        ),
        (
            "SELECT name, chr(k::INT) AS cost_center FROM cmdb, (SELECT 1 FROM hr LIMIT 1)",
            r"row 2 of cmdb with row 1 of hr \(Invalid Input\).* with TRY\(…\) around it,",
        ),
    ],
)
def test_sql_that_fails_on_a_row_says_where_and_what_would_not(
    tmp_path: Path, sql: str, words: str
) -> None:
    cmdb: Rows = {"name": list("abcd"), "n": ["1", "1", "2", SECRET], "k": ["65", "-5", "65", "65"]}
    hr: Rows = {"n": ["1", "2", "3"], "started": ["2024-01-01", "2024-02-30", "x"]}
    sources = {name: {"kind": "file", "path": f"/nowhere/{name}.csv"} for name in ("cmdb", "hr")}
    with (
        pytest.raises(ConfigurationError, match=words) as caught,
        shaping(tmp_path, sync_of(sql=sql, sources=sources), cmdb=cmdb, hr=hr),
    ):
        pass
    assert SECRET not in str(caught.value)


def test_a_condition_that_clears_and_fails_is_named(tmp_path: Path) -> None:
    fields = {CENTRE: {"clear_when": "name::INT = 7"}}
    with (
        pytest.raises(ConfigurationError, match=f"clear_when of {CENTRE} fails on row 2 of cmdb"),
        shaping(
            tmp_path, sync_of(fields=fields), cmdb={"name": ["1", SECRET], "cost_center": ["", ""]}
        ),
    ):
        pass


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content AS name, '' AS cost_center FROM read_text('{path}'), cmdb",
        "SELECT *, (SELECT any_value(content) FROM read_text('{path}')) AS x FROM cmdb",
        "SELECT * FROM cmdb, glob('{path}*')",
    ],
)
def test_the_sql_reads_nothing_but_its_sources(tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    with pytest.raises(ConfigurationError, match="may read its sources and nothing else"):
        shape_all(tmp_path, sync_of(sql=sql.format(path=secret)))


def shape_all(folder: Path, sync: Any) -> None:
    rows: Rows = {"name": ["a"], "cost_center": ["1"]}
    pulled = pulled_of(folder / "run", {"cmdb": rows})
    lake = Lake(str(folder / "lake"), "sandbox.eu")
    with shaped(sync, pulled, lake, folder / "run", AT) as shape:
        list(shape.ranges())


def test_what_only_some_rows_came_of_is_neither_full_nor_complete(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), "sandbox.eu")
    for completeness, changes_of, expected in (
        (Completeness.COMPLETE, None, (True, True)),
        (Completeness.VISIBLE, None, (True, False)),
        (Completeness.CHANGES, "cmdb", (False, False)),
    ):
        rows: Rows = {"name": ["a"], "cost_center": ["1"]}
        pulled = pulled_of(
            tmp_path / "run", {"cmdb": rows}, completeness=completeness, changes_of=changes_of
        )
        with shaped(sync_of(), pulled, lake, tmp_path / "run", AT) as shape:
            assert (shape.counts.is_full, shape.counts.is_complete) == expected


def test_an_inventory_that_never_landed_is_refused(tmp_path: Path) -> None:
    inventory = {"dataset": "devices", "match": {"name": "n"}, "identity": "uid"}
    sync = sync_of(identification={"name": "device/device/uid"}, inventory=inventory)
    with pytest.raises(DataRefusedError, match="run nxp export devices"):
        shape_all(tmp_path, sync)


def test_rows_that_come_without_any_of_the_incremental_source_are_refused(tmp_path: Path) -> None:
    sources = {
        "changes": {
            "kind": "sql",
            "connection": "hr",
            "query": "SELECT 1",
            "key": ["id"],
            "incremental": "at",
        },
        "cmdb": {"kind": "file", "path": "/nowhere/a.csv"},
    }
    lake = Lake(str(tmp_path / "lake"), "sandbox.eu")
    changes = {"id": ["1"], "cost_center": ["A"]}
    pulled = pulled_of(tmp_path / "run", {"changes": changes, "cmdb": {"id": ["1"], "name": ["a"]}})

    def shape(sql: str) -> int:
        sync = sync_of(sources=sources, incremental="changes", sql=sql)
        with shaped(sync, pulled, lake, tmp_path / "run", AT) as made:
            return sum(each.keys.height for each in made.ranges())

    assert shape("SELECT * FROM changes LEFT JOIN cmdb USING (id)") == 1
    with pytest.raises(ConfigurationError, match="even without a row of changes"):
        shape("SELECT * FROM cmdb LEFT JOIN changes USING (id)")
