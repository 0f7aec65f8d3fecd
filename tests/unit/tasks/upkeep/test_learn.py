"""Learning a dataset's columns from the text of a whole result."""

import csv
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.catalogue import ColumnType, DatasetSpecification, Described, Mode
from connectors.errors import ConfigurationError, DataRefusedError, UsageError
from connectors.nexthink.results.result_file import ResultFile
from tasks.columns.conform import Conformer
from tasks.columns.header import match_header
from tasks.upkeep.draft import DatasetDraft, plan_sample, read_query, write_draft
from tasks.upkeep.learn import Lesson, ProposedColumn, differences, learn_file, propose_names

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ZURICH = ZoneInfo("Europe/Zurich")
QUERY = "things | where thing.time >= $from and thing.time <= $to"


def write(path: Path, columns: dict[str, list[str]]) -> ResultFile:
    """Write a result as a tenant does: null as an empty field."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return ResultFile(path)


def column(folder: Path, values: list[str], header: str = "thing.x") -> ProposedColumn:
    rows = [str(i) for i in range(len(values))]
    lesson = learn_file(write(folder / "x.csv", {header: values, "row": rows}), "Europe/Zurich")
    return lesson.columns[0]


@pytest.mark.parametrize(
    ("header", "values", "kind", "note"),
    [
        ("thing.x", ["1", "-20", "", "9007199254740993"], "int", None),
        ("thing.x", ["007", "12"], "string", "leading zeros"),
        ("thing.x", ["+4179", "12"], "string", "leading zeros or signs"),
        ("thing.x", ["99999999999999999999", "1"], "string", "beyond int"),
        ("thing.x", ["1E5", "2E7"], "string", "exponents"),
        ("thing.x", ["1.5", "2", "1e-7"], "float", None),
        ("thing.x", ["0.1", "0.30000000000000004"], "float", None),
        ("thing.x", ["0.1", "0.30000000000000001"], "string", "more digits"),
        ("thing.x", ["0.5", "9007199254740993"], "string", "more digits"),
        ("thing.x", ["1.0", "x"], "string", None),
        ("thing.x", ["10.9", "10.10"], "string", "zeros at their end"),
        ("thing.x", ["1.20", "3"], "string", "zeros at their end"),
        ("thing.x", ["2026.10"], "string", "zeros at their end"),
        ("thing.x", ["1.00", "2.50"], "string", "zeros at their end"),
        ("thing.x", [".5", "1.5"], "string", "zeros at their end"),
        ("thing.x", ["01.5", "1.5"], "string", "leading zeros"),
        ("thing.x", ["42.0", "1.5", "-0.5", "100"], "float", None),
        ("thing.x", ["1.5", "1e-400"], "string", "more digits"),
        ("thing.x", ["1.5", "1e400"], "string", None),
        ("thing.x", ["1.5", "9223372036854775808"], "string", "more digits"),
        ("thing.x", ["9223372036854775807", "-9223372036854775808"], "int", None),
        ("thing.x", ["00", "01"], "string", "leading zeros"),
        ("thing.uid", ["1", "2"], "string", "id"),
        ("thing.version", ["10.10", "10.9"], "string", "version"),
        ("thing.x", ["0", "1", "1"], "int", "may be bool"),
        ("thing.number_of_x", ["0", "1", "1"], "int", None),
        ("thing.score", ["3", "10"], "int", "may be float"),
        ("thing.real_memory", ["3", "10"], "bytes", "guess"),
        ("thing.cpu_time", ["3", "1.5"], "duration", "guess"),
        ("thing.x", ["true", "False", ""], "bool", None),
        ("thing.x", ["2026-01-05", "2026-12-31"], "date", None),
        ("thing.x", ["2026-01-05 10:15:00", ""], "datetime", "read in Europe/Zurich"),
        ("thing.x", ["2026-01-05T10:15:00Z"], "datetime", None),
        ("thing.x", ["2026-01-05T10:15:00Z", "2026-01-05 10:15:00"], "datetime", "some of the"),
        ("thing.x", ["2026-01-05", "05.01.2026"], "string", "2026-01-05 and 05.01.2026"),
        ("thing.x", ["1/5/2026", "12/31/2026"], "string", "05/01/2026 or 01/05/2026"),
        ("thing.x", ["[1, 2]", "[]"], "list", "guess"),
        # So a tenant writes versions; as lists they could not be compared with what others write.
        ("package.version", ["[24, 257, 1]", "[8]"], "string", None),
        ("thing.x", ['{"a": 1}', "[{}]"], "json", "guess"),
        ("thing.x", ["a", "[1]"], "string", None),
        ("thing.x", ["", ""], "string", "no value"),
        ("thing.platform", ["a", "b"] * 10, "string", "only 2 values"),
    ],
)
def test_a_type_is_the_narrowest_that_loses_nothing_and_doubts_are_said(
    tmp_path: Path, header: str, values: list[str], kind: str, note: str | None
) -> None:
    learned = column(tmp_path, values, header)
    assert learned.type == kind
    assert bool(learned.notes) == bool(note), learned.notes
    if note:
        assert note in "; ".join(learned.notes)


def test_a_type_is_proven_over_all_rows_and_all_batches(tmp_path: Path) -> None:
    # More than one block of the reader, and the last value decides.
    filler = "x" * 100
    many = [str(i) for i in range(200_000)]
    columns = {
        "thing.int": [*many, "1.5"],
        "thing.text": [*many, "007"],
        "thing.code2": [*many, "0"],
        "thing.filler": [filler] * 200_001,
    }
    lesson = learn_file(write(tmp_path / "x.csv", columns), "UTC")
    assert [one.type for one in lesson.columns] == ["float", "string", "int", "string"]
    is_key = [one.is_key for one in lesson.evidence]
    assert is_key == [True, True, False, False]


def test_values_are_listed_only_of_columns_that_name_nobody(tmp_path: Path) -> None:
    values = ["Meier", "Huber"] * 20
    for header, told in [("device.platform", True), ("user.type", False), ("device.name", False)]:
        learned = column(tmp_path, values, header)
        assert "only 2 values: an allowed check may fit" in learned.notes
        assert learned.values == (("Huber", "Meier") if told else ())
        lesson = Lesson(40, (learned,), ())
        draft = DatasetDraft("x1", "#x1", plan_sample("", {}, None, NOW, ZURICH), lesson)
        assert ("Meier" in write_draft(draft)) == told
        assert "Meier" not in write_draft(draft, with_values=False)
        assert not any("Meier" in note for note in draft.unsure)


def test_headers_that_meet_or_are_reserved_get_a_name_of_their_own() -> None:
    header = ["a.b", "a-b", "date", "_nxp_run_id", "a.b-2", "plain", "date.value"]
    names = propose_names(header)
    assert len(set(names.values())) == len(header)
    assert names["a.b"] == "a_b"
    assert names["plain"] == "plain"
    DatasetSpecification.model_validate(
        {
            "dataset": "x",
            "query_id": "#xy",
            "mode": "snapshot",
            "columns": [{"nql": nql, "name": name} for nql, name in names.items()],
        }
    )


def test_what_is_known_of_columns_is_proposed() -> None:
    header = {
        "user.ad.full_name": ColumnType.STRING,
        "device.hardware.memory": ColumnType.BYTES,
        "device.collector.version": ColumnType.STRING,
        "execution.crash.number_of_crashes": ColumnType.INT,
        "device.uid": ColumnType.STRING,
    }
    columns = tuple(
        ProposedColumn(text, propose_names([text])[text], of) for text, of in header.items()
    )
    known = {"device.uid": Described(description='It\'s "the" device.', references="devices.uid")}
    text = "/* x */ execution.crashes during past 24h | list device.uid"
    draft = DatasetDraft(
        "xy", "#xy", plan_sample(text, {}, None, NOW, ZURICH), Lesson(1, columns, ())
    )
    made = yaml.safe_load(write_draft(replace(draft, known=known)))
    assert made["grain"] == "a crash of a binary"
    said = ("unit", "personal", "sortable", "references", "description")
    assert [{key: each[key] for key in said if key in each} for each in made["columns"]] == [
        {"personal": True},
        {"unit": "bytes"},
        {"sortable": "version"},
        {},
        {"references": "devices.uid", "description": 'It\'s "the" device.'},
    ]
    sums = plan_sample(f"{text} | summarize n = count()", {}, None, NOW, ZURICH)
    assert "grain" not in yaml.safe_load(write_draft(replace(draft, sample=sums)))


HEADERS = st.lists(
    st.one_of(
        st.text('ab-. #Ä"\\\n:{', min_size=1), st.sampled_from(["date", "snapshot", "_nxp_x"])
    ),
    min_size=1,
    unique=True,
)


@given(HEADERS)
def test_every_header_can_be_declared(header: list[str]) -> None:
    names = propose_names(header)
    lesson = Lesson(1, tuple(ProposedColumn(h, names[h], ColumnType.STRING) for h in header), ())
    draft = DatasetDraft("xy", "#xy", plan_sample("", {}, None, NOW, ZURICH), lesson)
    found = DatasetSpecification.model_validate(yaml.safe_load(write_draft(draft)))
    assert [(one.nql, one.name) for one in found.columns] == list(names.items())


KINDS = (
    st.integers().map(str),
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map("{:.17g}".format),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.decimals(0, 1000, places=2).map(str),
    st.dates().map(date.isoformat),
    st.datetimes().map(lambda instant: instant.isoformat(" ", "seconds")),
    st.lists(st.text("ab ,", min_size=1)).map(json.dumps),
    st.sampled_from(["true", "false", "0", "1", "[a, b]", "{}", "007", "null", "NaN", "1e400"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")),
)
# Columns of one kind, with one or two values of another, and gaps.
ROWS = 6
COLUMN = st.one_of(
    *(
        st.lists(
            st.one_of(kind, kind, st.just(""), st.one_of(*KINDS)), min_size=ROWS, max_size=ROWS
        )
        for kind in KINDS
    ),
    *(st.lists(kind, min_size=ROWS, max_size=ROWS) for kind in KINDS),
)


@given(st.lists(COLUMN, min_size=2, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_learned_lands_with_no_reject_and_no_loss(
    tmp_path: Path, drawn: list[list[str]]
) -> None:
    file = write(tmp_path / "x.csv", {f"thing.{i}": values for i, values in enumerate(drawn)})
    lesson = learn_file(file, "UTC")
    draft = DatasetDraft("xy", "#xy", plan_sample("", {}, None, NOW, ZURICH), lesson)
    specification = DatasetSpecification.model_validate(yaml.safe_load(write_draft(draft)))
    conformer = Conformer(match_header(file.header, specification), "UTC", "run", NOW)
    for batch in file.frames():
        result = conformer.conform(batch)
        assert not result.raw
        for learned in lesson.columns:
            if learned.type in {"int", "float"}:
                pairs = zip(batch[learned.header], result.landed[learned.name], strict=True)
                assert all(
                    not text or Decimal(text) == Decimal(str(value)) for text, value in pairs
                )
    assert conformer.counts.landed == ROWS
    assert not [one for one in differences(lesson, specification) if one.breaks]


def test_a_result_without_rows_or_with_ragged_ones_teaches_nothing(tmp_path: Path) -> None:
    for text, words in [("a,b\n", "no rows"), ("", "no rows"), ("a,b\n1,2\n1\n", "1 rows have")]:
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(DataRefusedError, match=words):
            learn_file(ResultFile(tmp_path / "x.csv"), "UTC")


def test_a_query_says_its_window_and_its_reach() -> None:
    query = read_query(f"/* $not */ things during past 720h | {QUERY} and y == $other")
    assert query.parameters == {"from", "to", "other"}
    assert (query.field, query.from_, query.to) == ("thing.time", "from", "to")
    assert query.reach == timedelta(days=30)
    assert read_query("things during past 7d | where x >= $a and y <= $b").field is None


def test_a_window_that_is_not_given_is_the_last_full_day_in_the_tenants_zone() -> None:
    sample = plan_sample(QUERY, {}, None, NOW, ZURICH)
    assert sample.mode is Mode.WINDOW
    assert sample.parameters == {"from": "2026-11-19 01:00:00", "to": "2026-11-20 01:00:00"}
    assert sample.declared == {}
    given_ = {"from": "a", "to": "b"}
    assert plan_sample(QUERY, given_, Mode.SNAPSHOT, NOW, ZURICH).declared == given_
    with pytest.raises(UsageError, match="parameter other"):
        plan_sample(f"{QUERY} and y == $other", {}, None, NOW, ZURICH)
    with pytest.raises(UsageError, match="mode window: "):
        plan_sample("things", {}, Mode.WINDOW, NOW, ZURICH)


def test_a_window_needs_its_time_listed_and_to_be_one(tmp_path: Path) -> None:
    sample = plan_sample(QUERY, {}, None, NOW, ZURICH)
    for header, value, words in [
        ("thing.end", "2026-01-05 10:15:00", "does not list it"),
        ("x.thing.time", "soon", "not date-times"),
    ]:
        lesson = learn_file(write(tmp_path / "x.csv", {header: [value]}), "UTC")
        with pytest.raises(ConfigurationError, match=words):
            write_draft(DatasetDraft("xy", "#xy", sample, lesson))


def test_differences_break_only_where_rows_would_not_fit(tmp_path: Path) -> None:
    columns = {"a": ["1", "2"], "b": ["x", "y"], "c": ["1", "2"], "new": ["1", "2"]}
    lesson = learn_file(write(tmp_path / "x.csv", columns), "UTC")
    declared = DatasetSpecification.model_validate(
        {
            "dataset": "xy",
            "query_id": "#xy",
            "mode": "snapshot",
            "columns": [
                {"nql": "a", "type": "duration"},
                {"nql": "b", "type": "int"},
                {"nql": "c"},
                {"nql": "old", "type": "int"},
            ],
        }
    )
    found = {(one.header, one.what, one.breaks) for one in differences(lesson, declared)}
    assert found == {
        ("old", "gone", True),
        ("a", "type", False),
        ("b", "type", True),
        ("c", "type", False),
        ("new", "added", True),
    }
