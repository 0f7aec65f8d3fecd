"""CSV and Parquet files as sources, in folders and in buckets."""

import gc
import gzip
import os
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    StorageError,
    UnavailableError,
)
from connectors.sources import Completeness
from connectors.sources.s3_listing import list_objects
from sandbox.hr.writing import hr_tables, write_hr
from sandbox.options import SandboxOptions
from tests.forks import fork
from tests.object_store import SECRET, ObjectStore
from tests.sources import (
    BucketKind,
    CsvKind,
    ParquetKind,
    by_id,
    csv_bytes,
    opened,
    people,
    rows_of,
)


@pytest.fixture
def kind(tmp_path: Path) -> CsvKind:
    return CsvKind(tmp_path)


@pytest.fixture
def bucket(s3: ObjectStore) -> BucketKind:
    return BucketKind(s3)


def read(kind: CsvKind, content: bytes, **changes: Any) -> list[dict[str, str | None]]:
    kind.path.write_bytes(content)
    with opened(kind, **{"key": [], **changes}) as source:
        return rows_of(source.pull())


def test_delimiter_and_encoding_are_as_declared(kind: CsvKind) -> None:
    expected = [{"id": "1", "name": "Zoë; Söhne"}]
    text = 'id;name\r\n1;"Zoë; Söhne"\r\n'
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        content = text.encode(encoding)
        assert read(kind, content, delimiter=";", encoding=encoding) == expected
    tabs = b"id\tname\n1\tx\n"
    assert read(kind, tabs, delimiter="\t") == [{"id": "1", "name": "x"}]


def test_a_byte_order_mark_is_no_part_of_the_first_name(kind: CsvKind) -> None:
    assert read(kind, "id,name\n1,x\n".encode("utf-8-sig")) == [{"id": "1", "name": "x"}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty: not even a header"),
        (b"id,name\n1,Marked\n2\n", "row 3 has 1 fields where the header has 2"),
        (b"id,name\n1,Mark\xe9d\n", "in another encoding"),
        (b'id,name\n1,"Marked\n2,x\n', "quote that is not closed"),
        (b'id,name\n1,x\n2,"Mark', "row 3 has a quote that is not closed"),
        (b'id,name\n1,"Mark\n2,"ed\n', r"row 2 \(line 3\) has text after a closing quote"),
        (b'id,name\n1,"Mark" ed\n', "row 2 has text after a closing quote"),
        (b'id,name\n1,"Mark\\",ed"\n', "row 2 has a quote inside a field"),
        (b'id,name\n1,"Mark\n2,x",y\n', "row 2 has 3 fields where the header has 2"),
        (b"id,name\n1,Mark\red\n", "row 2 has a carriage return"),
        (b"id,name\n1,Mark\0ed\n", "row 2 contains a NUL"),
        (b"id,name\n1," + b"x" * 3_000_000, "more than a megabyte"),
    ],
)
def test_a_broken_file_is_told_without_its_values(kind: CsvKind, content: bytes, told: str) -> None:
    with pytest.raises(DataRefusedError, match=told) as raised:
        read(kind, content)
    assert "people.csv" in str(raised.value)
    assert "Mark" not in str(raised.value)


def test_quotes_can_be_plain_characters(kind: CsvKind) -> None:
    content = b'id,name\n1,24" monitor\n'
    assert read(kind, content, quoted=False) == [{"id": "1", "name": '24" monitor'}]


LETTERS = 'id;name\r\n1;"Acme™ “Ģ” Иван, Ѐ\nZoë"\r\n2;Ељ北京\r\n'
LETTERS_READ = [{"id": "1", "name": "Acme™ “Ģ” Иван, Ѐ\nZoë"}, {"id": "2", "name": "Ељ北京"}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"])
def test_letters_with_the_byte_of_a_quote_are_letters(kind: CsvKind, encoding: str) -> None:
    content = LETTERS.encode(encoding)
    assert read(kind, content, delimiter=";", encoding=encoding) == LETTERS_READ
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Its mark says what it is.
        assert read(kind, content, delimiter=";") == LETTERS_READ


@pytest.mark.parametrize(
    ("text", "actual", "declared", "told"),
    [
        ("Zoë", "cp1252", "utf-8", r"row 3 \(byte 17\)"),
        ("Zoë", "utf-8", "cp1252", "row 3 .* the file is utf-8"),
        ("Zoë", "utf-8", "latin-1", "row 3 .* the file is utf-8"),
        ("Иван", "utf-8", "cp1251", "row 3 "),
        ("日本", "utf-8", "shift_jis", "row 3 "),
        ("北京", "utf-8", "gb18030", "row 3 "),
        ("“x”", "cp1252", "latin-1", r"row 3 \(byte 15\).* perhaps in cp1252"),
        ("Zoë", "utf-16-be", "utf-16-le", "try utf-16-be"),
        ("Zoë", "utf-8-sig", "cp1252", "byte order mark of utf-8"),
        ("Zoë", "utf-16", "cp1252", "byte order mark of utf-16-le"),
        ("x", "utf-16-le", "utf-8", "row 1 contains a NUL"),
    ],
)
def test_a_wrong_encoding_is_told_with_its_place(
    kind: CsvKind, text: str, actual: str, declared: str, told: str
) -> None:
    content = f"id,name\n1,x\n2,{text}\n".encode(actual)
    with pytest.raises(DataRefusedError, match=told):
        read(kind, content, encoding=declared)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Цена №5 «Вё»", "cp1251"),
        ("Zoë “€”", "cp1252"),
        ("日本語ｱ", "shift_jis"),
        ("联通", "gb18030"),
    ],
)
def test_the_declared_encoding_is_read(kind: CsvKind, text: str, encoding: str) -> None:
    content = f"id,name\n1,{text}\n".encode(encoding)
    assert read(kind, content, encoding=encoding) == [{"id": "1", "name": text}]


@pytest.mark.parametrize("end", [".gz", ".GZ", ".zst"])
def test_a_compressed_file_is_read_by_its_name(kind: CsvKind, end: str) -> None:
    packed = zstandard.compress if end == ".zst" else gzip.compress
    path = kind.path.with_name(f"people.csv{end}")
    # Files that are appended to each other are one.
    content = packed(b"id,name\n1,x\n") + packed("2,Zoë\n".encode())
    path.write_bytes(content)
    with opened(kind, path=str(path), key=[]) as source:
        assert rows_of(source.pull()) == [{"id": "1", "name": "x"}, {"id": "2", "name": "Zoë"}]
    for broken in (content[:-1], content + b"more bytes"):
        path.write_bytes(broken)
        with (
            opened(kind, path=str(path), key=[]) as source,
            pytest.raises(DataRefusedError, match="inside its"),
        ):
            rows_of(source.pull())


def test_a_file_that_unpacks_to_too_much_is_refused(kind: CsvKind) -> None:
    path = kind.path.with_name("people.csv.zst")
    row = b"1," + b"x" * 1000 + b"\n"
    path.write_bytes(zstandard.compress(b"id,name\n" + row * 67_000))
    with (
        opened(kind, path=str(path), key=[]) as source,
        pytest.raises(DataRefusedError, match="250 times its size: raise NXP_MAX_SOURCE"),
    ):
        for _ in source.pull():
            pass


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (gzip.compress(b"id\n1\n", mtime=0), "compressed with gzip: let its name end in .gz"),
        (b"PK\x03\x04....", "ZIP archive or a workbook"),
    ],
)
def test_a_file_that_is_no_text_is_told(kind: CsvKind, content: bytes, told: str) -> None:
    with pytest.raises(DataRefusedError, match=told):
        read(kind, content)


@pytest.mark.parametrize("content", [b"id,name", b"id,name\n", b'"id","name"\r\n\r\n'])
def test_a_header_alone_is_a_file_without_rows(kind: CsvKind, content: bytes) -> None:
    assert read(kind, content) == []


def test_rows_of_many_blocks_are_all_there_and_counted(kind: CsvKind) -> None:
    row = {"id": "1", "name": 'n"\n,' * 100, "description": "d" * 500}
    content = csv_bytes([row] * 4_000)
    assert read(kind, content) == [row] * 4_000
    with pytest.raises(DataRefusedError, match="row 4002 has 2 fields"):
        read(kind, content + b"1,2\n")


def test_a_column_that_stands_twice_is_told(kind: CsvKind) -> None:
    with pytest.raises(ConfigurationError, match="column id twice"):
        read(kind, b"id,id\n1,2\n")


def test_all_files_of_a_pattern_are_one_table(kind: CsvKind) -> None:
    rows = people(9)
    for n in range(3):
        path = kind.path.parent / "sites" / f"part-{n}.csv"
        path.parent.mkdir(exist_ok=True)
        columns = ["name", "description", "id"] if n == 1 else ["id", "name", "description"]
        path.write_bytes(csv_bytes(rows[n * 3 : n * 3 + 3], columns))
    for pattern in ("sites/part-*.csv", "**/*.csv", "sites/part-?.csv"):
        with opened(kind, path=str(kind.path.parent / pattern)) as source:
            assert by_id(rows_of(source.pull())) == rows


def test_what_is_no_file_is_skipped_and_named(
    kind: CsvKind, caplog: pytest.LogCaptureFixture
) -> None:
    folder = kind.path.parent
    kind.path.write_bytes(b"id,name\n1,x\n")
    (folder / "folder.csv").mkdir()
    (folder / "broken.csv").symlink_to(folder / "nowhere")
    (folder / "notes.txt").write_bytes(b"not ours")
    for pattern in ("*.csv", "**/*.csv"):
        with opened(kind, path=str(folder / pattern), key=[]) as source:
            assert rows_of(source.pull()) == [{"id": "1", "name": "x"}]
    assert f"not files: {folder}/broken.csv, {folder}/folder.csv" in caplog.text


def test_names_that_are_not_utf_8_are_read_and_can_be_shown(kind: CsvKind) -> None:
    path = os.fsencode(kind.path.parent) + b"/\xff.csv"
    Path(os.fsdecode(path)).write_bytes(b"id,name\n1,x\n")
    with opened(kind, path=str(kind.path.parent / "*.csv"), key=[]) as source:
        assert rows_of(source.pull()) == [{"id": "1", "name": "x"}]
        Path(os.fsdecode(path)).write_bytes(b"id,name\n1\n")
        with pytest.raises(DataRefusedError, match=r"\\xff\.csv row 2") as raised:
            source.pull()
    assert str(raised.value).encode()


@pytest.mark.parametrize("pattern", ["**/*.csv", pytest.param("*/*.csv", marks=pytest.mark.slow)])
def test_a_folder_that_cannot_be_listed_is_told(pattern: str) -> None:
    # Root may list every folder.
    code = (
        "import os, sys; from connectors.sources.places import Folders; "
        "os.getuid() or os.setuid(65534); Folders('here', sys.argv[1]).find()"
    )
    # Pytest's own folders are closed to other users.
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "open").mkdir()
        (folder / "open" / "a.csv").write_bytes(b"id,name\n1,x\n")
        (folder / "closed").mkdir(mode=0)
        words = (code, str(folder / pattern))
        process = fork("tests.program_once", *words, env=os.environ, stderr=subprocess.PIPE)
        _, said = process.communicate()
    assert f"source here: cannot list {folder / 'closed'}: allow this user" in said


def test_files_that_differ_in_columns_are_told(kind: CsvKind) -> None:
    folder = kind.path.parent
    (folder / "a.csv").write_bytes(b"id,name\n1,x\n")
    (folder / "b.csv").write_bytes(b"id,title\n2,y\n")
    (folder / "c.csv").write_bytes(b"name,id\nz,3\n")
    pattern = {"path": str(folder / "?.csv")}
    with opened(kind, **pattern) as source, pytest.raises(ConfigurationError) as raised:
        source.check()
    assert raised.value.problems == (
        "b.csv has no column name",
        "b.csv has the column title, which the first file lacks: list the fields",
    )
    with opened(kind, **pattern, fields=["id"]) as source:
        assert [row["id"] for row in rows_of(source.pull())] == ["1", "2", "3"]


def test_nothing_delivered_is_no_empty_table(kind: CsvKind) -> None:
    pattern = str(kind.path.parent / "*.csv")
    with opened(kind, path=pattern) as source, pytest.raises(UnavailableError, match="no file at"):
        source.pull()


def test_files_have_no_increments(kind: CsvKind) -> None:
    kind.fill(people(3))
    with opened(kind) as source:
        pull = source.pull("whatever")
        assert len(rows_of(pull)) == 3
        assert pull.outcome.completeness is Completeness.COMPLETE


def test_without_a_key_there_is_no_key_scan(kind: CsvKind) -> None:
    kind.fill(people(3))
    with opened(kind, key=[]) as source, pytest.raises(ConfigurationError, match="set a key"):
        source.keys()


def test_a_large_file_is_not_read_whole(kind: CsvKind) -> None:
    row = {"id": "1", "name": "n" * 500, "description": "d" * 500}
    kind.path.write_bytes(csv_bytes([row] * 30_000))
    assert kind.path.stat().st_size > 30_000_000
    before = pa.total_allocated_bytes()
    with opened(kind) as source:
        height, peak = 0, 0
        for batch in source.pull():
            height += batch.num_rows
            peak = max(peak, pa.total_allocated_bytes() - before)
            del batch
    gc.collect()
    assert height == 30_000
    assert peak < 16_000_000


def test_parquet_types_become_texts(tmp_path: Path) -> None:
    kind = ParquetKind(tmp_path)
    at = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    columns: dict[str, tuple[Any, Any, str | None]] = {
        "text": ("x", pa.large_string(), "x"),
        "kind": ("x", pa.dictionary(pa.int8(), pa.string()), "x"),
        "whole": (7, pa.int16(), "7"),
        "part": (0.1, pa.float64(), "0.1"),
        "nan": (float("nan"), pa.float64(), None),
        "money": (Decimal("12.50"), pa.decimal128(9, 2), "12.50"),
        "flag": (True, pa.bool_(), "true"),
        "day": (at.date(), pa.date32(), "2026-11-20"),
        "at": (at, pa.timestamp("ns", "UTC"), "2026-11-20T08:30:00Z"),
        "zoned": (at, pa.timestamp("us", "Europe/Zurich"), "2026-11-20T08:30:00Z"),
        "local": (at.replace(tzinfo=None), pa.timestamp("us"), "2026-11-20 08:30:00"),
        "raw": (b"\x00\xff", pa.binary(), "00ff"),
        "tags": (["a", None], pa.list_(pa.string()), '["a", null]'),
        "empty": (None, pa.null(), None),
        "none": (None, pa.int64(), None),
    }
    arrays = {name: pa.array([value], kind) for name, (value, kind, _) in columns.items()}
    pq.write_table(pa.table(arrays), kind.path)
    with opened(kind, key=[]) as source:
        assert rows_of(source.pull()) == [{name: text for name, (*_, text) in columns.items()}]


def times(*texts: str | None) -> pa.Array:
    """Return date-times in microseconds, also those that Python does not have."""
    whole = [None if text is None else int(np.datetime64(text, "us").astype(int)) for text in texts]
    return pa.array(whole, pa.int64()).cast(pa.timestamp("us"))


def parquet_texts(folder: Path, column: pa.Array, **options: Any) -> list[str | None]:
    kind = ParquetKind(folder)
    # The other column comes first, so that places are looked up by name.
    pq.write_table(pa.table({"id": [1] * len(column), "x": column}), kind.path, **options)
    with opened(kind, key=[], fields=["x"]) as source:
        return [row["x"] for row in rows_of(source.pull())]


def test_old_times_of_parquet_are_exact_in_all_years(tmp_path: Path) -> None:
    old = {"use_deprecated_int96_timestamps": True}
    column = times("9999-12-31T23:59:59.999999", None, "0001-01-01", "1500-06-01T00:00:00.5")
    assert parquet_texts(tmp_path, column, **old) == [
        "9999-12-31 23:59:59.999999",
        None,
        "0001-01-01 00:00:00",
        "1500-06-01 00:00:00.500000",
    ]
    nanos = pa.array([1234567890123456789, -1], pa.int64()).cast(pa.timestamp("ns"))
    assert parquet_texts(tmp_path, nanos, **old) == [
        "2009-02-13 23:31:30.123456789",
        "1969-12-31 23:59:59.999999999",
    ]


def test_old_times_next_to_a_column_that_is_cut_elsewhere(tmp_path: Path) -> None:
    kind = ParquetKind(tmp_path)
    moment = pa.array([1_767_225_600_000_000] * 6_000, pa.timestamp("us"))
    table = pa.table({"id": moment, "x": pa.array(["a"] * 6_000).dictionary_encode()})
    pq.write_table(table, kind.path, use_deprecated_int96_timestamps=True, row_group_size=4_000)
    with opened(kind, key=[]) as source:
        rows = rows_of(source.pull())
    assert len(rows) == 6_000
    assert {row["id"] for row in rows} == {"2026-01-01 00:00:00"}


def test_old_times_inside_of_lists_are_exact_or_told(tmp_path: Path) -> None:
    old = {"use_deprecated_int96_timestamps": True}
    column = pa.ListArray.from_arrays([0, 2], times("9999-12-31", None))
    assert parquet_texts(tmp_path, column, **old) == ['["9999-12-31 00:00:00", null]']
    nanos = pa.array([1234567890123456789], pa.int64()).cast(pa.timestamp("ns"))
    for lost in (pa.ListArray.from_arrays([0, 1], nanos), pa.StructArray.from_arrays([nanos], "a")):
        with pytest.raises(DataRefusedError, match=r"people\.parquet column x, rows 1 to 1: "):
            parquet_texts(tmp_path, lost, **old)


FAR = times("12000-01-01T01:02:03")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (times("12000-01-01T01:02:03", "-0005-03-01"), "12000-01-01 01:02:03,-0005-03-01 00:00:00"),
        (FAR.cast(pa.timestamp("us", "Europe/Zurich")), "12000-01-01T01:02:03Z"),
        (pa.array([2932897, -800000], pa.int32()).cast(pa.date32()), "10000-01-01,-0221-09-04"),
        (pa.array([86399 * 10**9 + 1]).cast(pa.time64("ns")), "23:59:59.000000001"),
        (pa.array([1500], pa.int32()).cast(pa.time32("ms")), "00:00:01.500000"),
        (pa.array([9007199254740993123]).cast(pa.duration("ns")), "9007199254.740993123"),
        (pa.array([5400 * 10**9]).cast(pa.duration("ns")), "5400.0"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([1.5], pa.float16()), "1.5"),
        (pa.array([Decimal("1" * 38)], pa.decimal128(38, 0)), "1" * 38),
        (pa.array([Decimal("-0." + "1" * 38)], pa.decimal128(38, 38)), "-0." + "1" * 38),
        (FAR.dictionary_encode(), "12000-01-01 01:02:03"),
        (pa.ListArray.from_arrays([0, 1], FAR), '["12000-01-01 01:02:03"]'),
        (pa.StructArray.from_arrays([FAR], ["at"]), '{"at": "12000-01-01 01:02:03"}'),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), '[["a", 1]]'),
        (pa.array([[[1], None, []]], pa.list_(pa.list_(pa.int64()))), "[[1], null, []]"),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), "[1, 2]"),
    ],
)
def test_what_python_cannot_hold_is_exact_text(tmp_path: Path, column: pa.Array, text: str) -> None:
    found = parquet_texts(tmp_path, pa.concat_arrays([column, column.slice(0, 0)]))
    assert ",".join(map(str, found)) == text or found == [text]


def test_null_lists_and_structures_are_null(tmp_path: Path) -> None:
    lists = pa.array([None, [], [1]], pa.list_(pa.int64()))
    assert parquet_texts(tmp_path, lists) == [None, "[]", "[1]"]
    structures = pa.array([None, {"a": None}], pa.struct([("a", pa.int64())]))
    assert parquet_texts(tmp_path, structures) == [None, '{"a": null}']


def test_intervals_of_other_programs_are_iso_8601(tmp_path: Path) -> None:
    kind = ParquetKind(tmp_path)
    duckdb.sql(f"COPY (SELECT INTERVAL '14 months 3 days 5.25 seconds' AS x) TO '{kind.path}'")
    with opened(kind, key=[]) as source:
        assert rows_of(source.pull()) == [{"x": "P14M3DT5.25S"}]


def test_text_that_is_not_utf_8_is_told_with_column_and_row(tmp_path: Path) -> None:
    ends = pa.py_buffer(np.array([0, 1, 2], np.int32))
    column = pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"a\xff")])
    with pytest.raises(DataRefusedError, match=r"people\.parquet column x, row 2 holds text"):
        parquet_texts(tmp_path, column)


def test_a_damaged_parquet_file_is_told(tmp_path: Path) -> None:
    kind = ParquetKind(tmp_path)
    kind.fill(people(2000))
    whole = kind.path.read_bytes()
    for content in (whole[:-100], b"", b"id,name\n1,x\n"):
        kind.path.write_bytes(content)
        with opened(kind) as source, pytest.raises(DataRefusedError, match=r"people\.parquet"):
            source.pull()


def test_patterns_and_parquet_in_a_bucket(bucket: BucketKind, tmp_path: Path) -> None:
    rows = people(6)
    local = ParquetKind(tmp_path)
    for n in (0, 1):
        local.fill(rows[n * 3 : n * 3 + 3])
        bucket.put(f"hr/2026/part-{n}.parquet", local.path.read_bytes())
    bucket.put("hr/2026/notes.txt", b"not ours")
    bucket.put("hr/2026/rows.csv.gz", gzip.compress(csv_bytes(rows)))
    with opened(bucket, path=f"s3://{bucket.bucket}/hr/2026/*.csv.gz") as source:
        assert by_id(rows_of(source.pull())) == rows
    bucket.put("hr/part-9.parquet", b"not ours either")
    for pattern in ("hr/2026/*.parquet", "hr/*/part-?.parquet", "hr/**/2026/*.parquet"):
        with opened(bucket, path=f"s3://{bucket.bucket}/{pattern}") as source:
            assert by_id(rows_of(source.pull())) == rows
    with (
        opened(bucket, path=f"s3://{bucket.bucket}/hr/*.orc", format="csv") as source,
        pytest.raises(UnavailableError, match="no file at"),
    ):
        source.pull()


ROW = {"id": "1", "name": "x"}


@pytest.mark.parametrize("foreign", ["hr//b.txt", "hr/x//", "hr/%01.txt", "other//b.csv"])
def test_objects_that_are_no_paths_do_not_end_a_listing(
    bucket: BucketKind, foreign: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.put("hr/a.csv", b"id,name\n1,x\n")
    bucket.put(foreign, b"")
    for pattern in ("hr/*.csv", "hr/**/*.csv", "*/a.csv"):
        with opened(bucket, path=f"s3://{bucket.bucket}/{pattern}", key=[]) as source:
            assert rows_of(source.pull()) == [ROW]
    # A marker of a folder is skipped without a word.
    assert ("skipped, as they are not files: " in caplog.text) is not foreign.endswith("/")
    assert "\x01" not in caplog.text


def test_an_object_that_matches_and_is_no_path_is_told(
    bucket: BucketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("hr/a.csv", b"id,name\n1,x\n")
    bucket.put("hr//b.csv", b"id,name\n2,y\n")
    with opened(bucket, path=f"s3://{bucket.bucket}/hr/**/*.csv", key=[]) as source:
        with pytest.raises(DataRefusedError, match=r"hr//b\.csv matches the pattern, but"):
            source.pull()
        # Without a key to sign with, the folder cannot be listed in another way.
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(DataRefusedError, match=r"hr//b\.csv has a name that is not a path"):
            source.pull()


def test_markers_of_folders_are_no_files(
    bucket: BucketKind, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.put("hr/a.csv", b"id,name\n1,x\n")
    for marker in ("hr/", "hr/2026/", "hr/old.csv/"):
        bucket.put(marker, b"")
    with opened(bucket, path=f"s3://{bucket.bucket}/hr/*", key=[], format="csv") as source:
        assert rows_of(source.pull()) == [ROW]
        assert "old.csv" in caplog.text
        # An object without content is not one of them.
        bucket.put("hr/b.csv", b"")
        with pytest.raises(DataRefusedError, match=r"b\.csv is empty"):
            source.pull()


def test_many_pages_are_listed_whole(bucket: BucketKind) -> None:
    bucket.put("hr//foreign", b"")
    for n in range(5):
        bucket.put(f"hr/{n} + ü.txt", b"")
    found = dict(list_objects(bucket.bucket, "hr/", at_once=2))
    assert set(found) == {"hr//foreign", *(f"hr/{n} + ü.txt" for n in range(5))}


def test_a_bucket_that_is_not_there_is_told(bucket: BucketKind) -> None:
    with (
        opened(bucket, path="s3://nowhere/*.csv") as source,
        pytest.raises(StorageError, match="no such bucket"),
    ):
        source.pull()


def test_a_bucket_that_refuses_in_the_middle_is_told(bucket: BucketKind) -> None:
    rows = [{"id": str(n), "name": "n" * 500, "description": "d" * 500} for n in range(9_000)]
    bucket.fill(rows)
    with opened(bucket) as source:
        batches = iter(source.pull())
        next(batches)
        bucket.service.refuse = lambda _method, _path: ("403 Forbidden", "AccessDenied")
        with pytest.raises(AccessError, match=r"denied \(AccessDenied\)") as raised:
            list(batches)
    assert SECRET not in str(raised.value)


def test_the_personnel_files_of_the_sandbox(tmp_path: Path) -> None:
    options = SandboxOptions(queries=tmp_path, devices=40, now=datetime(2026, 11, 20, tzinfo=UTC))
    write_hr(options, tmp_path)
    truth = hr_tables(options)["people"]
    kind = CsvKind(tmp_path)
    with opened(kind, key=["record_id"]) as source:
        frame = pl.DataFrame(rows_of(source.pull()))
    for name in ("record_id", "email", "department_code", "status"):
        assert frame[name].to_list() == truth[name].fill_null("").to_list()
