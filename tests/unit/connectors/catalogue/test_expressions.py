"""Expressions of a dataset: what is allowed, and that arithmetic is exact."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from connectors.catalogue import DatasetSpecification
from connectors.catalogue.expression_trees import MOST_CHARACTERS, ExpressionError
from connectors.catalogue.expressions import prepared
from connectors.catalogue.frame_types import FRAME_TYPES, column_type, landed
from connectors.catalogue.other_dialects import INSTEAD

SPECIFICATION: dict[str, Any] = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "window",
    "window": {"column": "at", "from": "from", "to": "to"},
    "columns": [
        {"nql": "thing.time", "name": "at", "type": "datetime"},
        {"nql": "thing.name", "name": "name"},
        {"nql": "thing.size", "name": "size", "type": "bytes"},
        {"nql": "thing.score", "name": "score", "type": "float"},
        {"nql": "thing.tags", "name": "tags", "type": "list"},
    ],
}


def things(**changes: Any) -> DatasetSpecification:
    return DatasetSpecification.model_validate(SPECIFICATION | changes)


AT = datetime(2026, 11, 19, 23, 30, 0, 3_300, tzinfo=UTC)
COLUMNS = {column.name: FRAME_TYPES[column.type] for column in things().columns}
ROW = pl.DataFrame(
    {
        "at": [datetime(2026, 11, 19, 23, 30, tzinfo=UTC)],
        "name": ["PC-042"],
        "size": [3],
        "score": [0.5],
        "tags": [["a", "b"]],
    },
    COLUMNS,
)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("size / 1000", "float", 0.003),
        ("size * 1.5", "float", 4.5),
        # Polars itself: the 8 bits of an hour, and -26; the 32 of a length, and 4294967294.
        ("EXTRACT(HOUR FROM at) * 10", "int", 230),
        ("LENGTH(name) - 8", "int", -2),
        ("SPLIT_PART(name, '-', 1)", "string", "PC"),
        ("CASE WHEN size > 2 THEN 'large' ELSE 'small' END", "string", "large"),
        ("name LIKE 'PC%' AND size IN (1, 3)", "bool", True),
        ("COALESCE(TRY_CAST(name AS BIGINT), 0)", "int", 0),
        ("at + INTERVAL '1 hour'", "datetime", datetime(2026, 11, 20, 0, 30, tzinfo=UTC)),
        ("at > TIMESTAMPTZ '2026-11-19 00:00:00Z'", "bool", True),
        ("ARRAY_REVERSE(tags)", "list", ["b", "a"]),
        ("SQRT(ABS(size - 7))", "float", 2.0),
        ("POW(size, 2)", "int", 9),
        # Polars itself: a pattern, which a point in it makes match everything.
        ("STRPOS('a.b', '.')", "int", 2),
        ("DATE_TRUNC('hour', at)", "datetime", datetime(2026, 11, 19, 23, tzinfo=UTC)),
        ("DATE_TRUNC('week', CAST(at AS DATE))", "date", date(2026, 11, 16)),
        ("EXTRACT(HOUR FROM at AT TIME ZONE 'Asia/Kolkata')", "int", 5),
        ("CAST(at AT TIME ZONE 'Asia/Kolkata' AS DATE)", "date", date(2026, 11, 20)),
        ("name || ' at AT TIME ZONE '", "string", "PC-042 at AT TIME ZONE "),
        # Polars itself: null, because nanoseconds since 1970 leave 64 bits.
        ("EXTRACT(EPOCH FROM at + INTERVAL '2000 years')", "float", 64_909_035_000.0),
    ],
)
def test_an_expression_has_the_type_and_the_value_that_a_reader_expects(
    text: str, kind: str, value: object
) -> None:
    found = prepared(text, COLUMNS)
    values = ROW.select(found.expression).to_series().to_list()
    assert (column_type(found.kind), values) == (kind, [value])


def test_arithmetic_fails_where_it_would_wrap_around() -> None:
    beyond = ("size * 9223372036854775807", "size + 9223372036854775807", "-(size) - 3 * size")
    for text in (*beyond, "POW(size, 2)", "POW(size, size)"):
        expression = prepared(text, COLUMNS).expression
        rows = ROW.with_columns(size=pl.lit(2**62 + 1, pl.Int64))
        with pytest.raises((pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError)):
            rows.select(expression)


def test_a_division_has_the_same_exact_value_in_a_frame_of_any_length() -> None:
    sizes = [5, 7, 10**6 + 3, 2**53, -3, 3_300_000, 123_456_789_012]
    scores = [5.0, 0.3, 1e-9, -7.25, 1e300, 0.1, 3.0]
    rows = pl.concat([ROW] * len(sizes)).with_columns(
        size=pl.Series(sizes), score=pl.Series(scores), at=pl.Series([AT] * len(sizes))
    )
    wanted = {
        "size / 1000000": [size / 1_000_000 for size in sizes],
        "score / 0.1": [score / 0.1 for score in scores],
        "score / (1000 * 1000)": [score / 1e6 for score in scores],
        "1 / size": [1 / size for size in sizes],
        "size / score": [size / score for size, score in zip(sizes, scores, strict=True)],
        "size // 7": [int(size / 7) for size in sizes],
        "EXTRACT(MILLISECOND FROM at)": [3.3] * len(sizes),
    }
    for text, values in wanted.items():
        expression = prepared(text, COLUMNS).expression
        assert rows.select(expression).to_series().to_list() == values, text
        single = [rows[n].select(expression).item() for n in range(len(rows))]
        assert single == values, text
    took = pl.DataFrame({"took": [timedelta(microseconds=size) for size in sizes]})
    seconds = took.select(landed(pl.col("took"), took.schema["took"])).to_series()
    assert seconds.to_list() == [size / 1_000_000 for size in sizes]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sizes", "'sizes' is not a column here; did you mean size"),
        ("SIZE", "did you mean size"),
        ("SUM(size)", "an aggregate"),
        ("size - AVG(size)", "an aggregate"),
        ("COUNT(*)", "an aggregate"),
        ("CORR(size, score)", "an aggregate"),
        ("ARRAY_AGG(size)", "an aggregate"),
        ("LAST_VALUE(size)", "a window function"),
        ("LAG(size) OVER (ORDER BY at)", "a window function"),
        ("ROW_NUMBER() OVER ()", "looks at other rows|of a single row"),
        ("RANK() OVER (ORDER BY size)", "of a single row"),
        ("UNNEST(tags)", "more than one row"),
        ("COLUMNS('s.*')", "several columns"),
        ("EXISTS (SELECT 1)", "a subquery"),
        ("size AS other", "an alias"),
        ("DATE(name)", "needs its format"),
        ("size > (SELECT 1)", "a subquery"),
        ("READ_CSV('/etc/passwd')", "'read_csv': docs/transforms.md names"),
        ("REGEXP_EXTRACT(name, 'a')", r"'regexp_extract': write REGEXP_REPLACE\(x"),
        ("(SELECT * FROM read_parquet('x'))", "a subquery"),
        ("name IN (WITH q AS (TABLE read_csv('x')) TABLE q)", "a subquery"),
        ("E'\\' || (SELECT a FROM read_csv('x')) || '", "plain single quotes"),
        ("$$'$$ || (SELECT a FROM read_csv('x')) || '", "plain single quotes"),
        ("RANDOM()", "unsupported function"),
        ("name = NULL", "comparison with NULL is true for no row: write IS NULL"),
        ("size > 1 OR NOT (NULL <> name)", "comparison with NULL"),
        ("CASE WHEN size >= NULL THEN 1 END", "comparison with NULL"),
        ("name = 'a ", "a text does not end: in YAML, # after a blank"),
        ("NOW()", "changes from run to run"),
        ("current_date", "changes from run to run"),
        ("LPAD(name, 9999999999)", "need a length"),
        ("RPAD(name, size)", "need a length"),
        ("size; name", "invalid expression"),
        ("", "unable to parse"),
        ("size + name", "arithmetic"),
        ("name ~ '('", "regex"),
        # Polars finds mistakes of types only when there is a value.
        ("'a' IN (tags)", "a list stands where one value is needed: ARRAY_CONTAINS"),
        ("size IN (tags)", "a list stands where"),
        ("tags = 'a'", "a list stands where"),
        ("tags || 'a'", "a list stands where"),
        ("CONCAT(name, tags)", "a list stands where"),
        ("CASE WHEN size > 9 THEN COALESCE(tags, 'a') END", "a list stands where"),
        ("TRY_CAST(tags AS VARCHAR)", "a list stands where"),
        ("NOT name", "text is not true or false"),
        ("TRY_CAST(name AS BOOLEAN)", "text is not true or false"),
        ("TRY_CAST(name AS DATE)", r"write DATE\(x, "),
        ("CAST(name AS TIMESTAMPTZ)", r"write CAST\(TIMESTAMP\(x, "),
        ("CAST(name AS VARCHAR[])", "STRING_TO_ARRAY"),
        ("ARRAY_TO_STRING(name, ',')", "STRING_TO_ARRAY"),
        ("ARRAY_SUM(tags)", "sum"),
        ("SPLIT_PART(size, '.', 1)", "expected `String`"),
        ("STRFTIME(CAST(at AS DATE), '%H')", "cannot format Date"),
        ("size AND name", "not supported|cannot|bitand"),
        ("at > '2026-01-01'", "write a time as TIMESTAMPTZ"),
        ("at > TIMESTAMP '2026-01-01 00:00:00'", "write a time as TIMESTAMPTZ"),
        ("at > size", "a time or date is compared with a number: write a time as TIMESTAMPTZ"),
        ("at - at > 3600", "the length of one as INTERVAL '1 hour'"),
        ("CAST(at AS DATE) BETWEEN 5 AND 9", "compared with a number: .* DATE '2026-11-01'"),
        ("DATE_TRUNC('fortnight', at)", "knows no 'fortnight', but: microsecond"),
        ("(at + INTERVAL '1 hour') AT TIME ZONE 'UTC'", "AS TIMESTAMPTZ"),
        ("at AT TIME ZONE 'Mars/Base'", "unable to parse time zone"),
        ("ARRAY['a', name]", "an ARRAY of columns"),
        ("CAST('a' AS BIGINT)", "conversion"),
        ("+".join(["size"] * 600), "nested too deeply"),
        ("(" * 200 + "size" + ")" * 200, "unable to parse"),
        ("'" + "x" * MOST_CHARACTERS + "'", "longer than"),
    ],
)
def test_what_is_not_an_expression_of_one_row_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why) as raised:
        prepared(text, COLUMNS)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "CAST(name AS BIGINT)",
        "DATE(name, '%d.%m.%Y')",
        "CAST(TIMESTAMP(name, '%d.%m.%Y %H:%M') AS TIMESTAMPTZ)",
        "9223372036854775807 + size",
        "ARRAY_CONTAINS(tags, name) AND tags[9] = name",
    ],
)
def test_an_expression_that_some_values_do_not_fit_is_not_a_mistake(text: str) -> None:
    assert prepared(text, COLUMNS).kind is not None


def test_a_dataset_derives_columns_from_those_above_and_filters_by_all() -> None:
    kinds = things(
        derive={"kib": "size / 1024", "is_late": "kib > 3", "age": "at - at", "n": "1"},
        where="is_late OR score IS NULL",
        checks=[{"check": "not_null", "column": "kib"}],
    ).known_columns
    assert {c.name: str(c.type) for c in kinds[5:]} == {
        "kib": "float",
        "is_late": "bool",
        "age": "duration",
        "n": "int",
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"derive": {"date": "size"}}, "derive.date: .*reserved"),
        ({"derive": {"_nxp_x": "size"}}, "derive._nxp_x: .*reserved"),
        ({"derive": {"KiB": "size"}}, "derive.KiB: .*only a-z"),
        ({"derive": {"name": "size"}}, "derive.name: there is a column of this name"),
        ({"derive": {"a": "b", "b": "size"}}, "derive.a: 'b' is derived further down"),
        ({"derive": {"a": "a + 1"}}, "derive.a: 'a' is not a column here"),
        ({"derive": {"x": "CAST(size AS DECIMAL(9, 2))"}}, r"decimal cannot land: .*AS DOUBLE"),
        ({"derive": {"x": "CAST(at AS TIME)"}}, r"time cannot land: write CAST\(… AS VARCHAR"),
        ({"derive": {"x": "CAST(at AS TIMESTAMP)"}}, "without a zone cannot land"),
        ({"derive": {"x": "NULL"}}, "null cannot land"),
        ({"derive": {"x": "CAST(size AS BIGINT UNSIGNED)"}}, "AS BIGINT"),
        ({"derive": {"x": 1}}, "valid string"),
        ({"where": "size"}, "where: it is int64, and has to be true or false"),
        ({"where": "kib > 1"}, "where: 'kib' is not a column here"),
        (
            {
                "derive": {"end": "at + INTERVAL '1h'"},
                "window": {"column": "end", "from": "from", "to": "to"},
            },
            "window.column: must be a declared column",
        ),
        (
            {
                "derive": {"kib": "size / 1024"},
                "checks": [{"check": "fresh", "column": "kib", "within": "1d"}],
            },
            "fresh needs a datetime column",
        ),
        ({"transform": "os.system"}, "transform: must be module:function"),
        ({"transform": "/etc/x.py:f"}, "transform: must be module:function"),
    ],
)
def test_a_wrong_derive_where_or_transform_is_a_problem_of_the_file(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        things(**changes)


def test_what_is_advised_instead_of_other_dialects_functions_is_an_expression() -> None:
    columns: dict[str, pl.DataType] = {"x": pl.String(), "items": pl.List(pl.String)}
    columns |= dict.fromkeys("nm", pl.Int64()) | dict.fromkeys("tu", pl.Datetime("us", "UTC"))
    for instead in set(INSTEAD.values()):
        assert prepared(instead, columns).expression is not None
    part = prepared(INSTEAD["regexp_extract"], columns).expression
    found = pl.DataFrame({"x": ["NB-17-b4", "none", None]}).select(part.alias("x"))
    assert found["x"].to_list() == ["17", "none", None]


def test_only_the_first_of_problems_that_follow_from_each_other_is_reported() -> None:
    derive = {"a": "nope + 1", "b": "a * 2", "c": "b * 2", "d": "gone"}
    with pytest.raises(ValidationError) as raised:
        things(derive=derive, where="c > 1")
    (problem,) = raised.value.errors()
    assert re.findall(r"derive\.\w|where", problem["msg"]) == ["derive.a", "derive.d"]
