"""`nxp sql` as a command: where a statement comes from, where its rows go, and the shell."""

import csv
import io
import json
import os
import pty
import select
import stat
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.errors import SqlError
from connectors.lake import Lake
from connectors.lake.query import query_lake
from connectors.lake.sql_room import Room
from connectors.lake.sql_views import NOTHING, Offered
from nxp.sql_formats import OutputFormat, StatementSource
from nxp.sql_shell import ShellSession, split, take_line
from nxp.sql_table import page, print_result
from nxp.sql_words import Words
from tests.commands import Result, called
from tests.integration.lake.test_sql import DEVICES, land
from tests.lakes import START

TENANT = "acme.eu"
EVENTS = pa.table({"event_id": [1, 2], "seen_at": [START, START]})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a lake of devices and events."""
    home = tmp_path_factory.mktemp("home")
    lake = Lake(str(home / "lake"), TENANT)
    land(lake, "devices", DEVICES, START, "snapshot")
    land(lake, "events", EVENTS, START)
    return home


@pytest.fixture
def lake(place: Path) -> Lake:
    """The lake of the home."""
    return Lake(str(place / "lake"), TENANT)


@pytest.fixture
def settings(place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of the home, set for this process too."""
    found = {"NXP_HOME": str(place), "NEXTHINK_INSTANCE": "acme", "NEXTHINK_REGION": "eu"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def sql(settings: dict[str, str], capsys: pytest.CaptureFixture[str]) -> "Sql":
    """Run nxp sql in this process."""
    assert settings
    return Sql(capsys)


class Sql:
    """Runs the command."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Result:
        return called("sql", *words, capsys=self._capsys)

    def out(self, *words: str) -> str:
        """Run it to success and return what it printed."""
        done = self(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let standard input have this content."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_statement_comes_from_a_word_a_file_or_standard_input(
    sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "q.sql"
    file.write_bytes(b"\xef\xbb\xbf-- how many\r\nSELECT count(*) AS n FROM devices;")
    assert sql.out("--file", str(file)).split() == ["n", "4"]
    for words in ((), ("-",), ("--file", "-")):
        typed(monkeypatch, b"SELECT 5 AS n -- no semicolon")
        assert sql.out(*words).split() == ["n", "5"]
    assert sql.out("--note\nSELECT 1 AS n", "--format=csv").split() == ["n", "1"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("SELECT 1", "--file", "q.sql"), "not both"),
        (("--file", "/nowhere/q.sql"), "No such file"),
        ((" ",), "there is no statement"),
        (("SELECT 1", "--json", "--format", "csv"), "--json and --format"),
        (("SELECT 1", "--format", "parquet"), "needs --out FILE"),
        (("SELECT 1", "--format", "xlsx"), "xlsx"),
        (("SELECT 1", "--out", "x.xyz"), "add --format"),
        (("SELECT 1", "--out", "/nowhere/x.csv"), "there is no folder /nowhere"),
        (("SELECT 1", "--out", "/", "--format", "csv"), "it is a folder"),
        (("SELECT 1", "--limit", "-1"), "--limit"),
        (("SELECT 1; SELECT 2",), "there are 2: run one after the other"),
        (("-- nothing\n;",), "only a semicolon or a comment"),
        (("COPY devices TO 'x.csv'",), "one SELECT"),
    ],
)
def test_what_makes_no_sense_is_a_line_and_code_2(
    sql: Sql, words: tuple[str, ...], why: str
) -> None:
    done = sql(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_format_has_the_same_rows_in_a_file_and_on_stdout(sql: Sql, tmp_path: Path) -> None:
    query = (
        'SELECT device_uid, "Last Seen", tags, memory, memory > 8 AS big FROM devices ORDER BY 1'
    )
    files = {how: tmp_path / f"out.{suffix}" for how, suffix in SUFFIX.items()}
    for how, file in files.items():
        told = sql(query, "--out", str(file))
        assert (told.returncode, told.stderr) == (0, f"wrote {file}: 4 rows\n")
        assert "replaced" in sql(query, "--out", str(file)).stderr
        if how is not OutputFormat.PARQUET:
            assert file.read_text() == sql.out(query, "--format", how.value)
    assert sql.out(query, "--json") == files[OutputFormat.JSON].read_text()
    records = json.loads(files[OutputFormat.JSON].read_text())
    lines = files[OutputFormat.NDJSON].read_text().splitlines()
    assert [json.loads(line) for line in lines] == records
    with files[OutputFormat.CSV].open(newline="") as opened:
        read = list(csv.DictReader(opened))
    assert [row["memory"] for row in read] == ["8", "16", "16", "32"]
    assert (read[1]["tags"], read[1]["big"], read[1]["Last Seen"]) == (
        '["it", "vip"]',
        "true",
        records[1]["Last Seen"],
    )
    assert (
        pq.read_table(files[OutputFormat.PARQUET])["tags"].to_pylist()
        == DEVICES["tags"].to_pylist()
    )
    assert files[OutputFormat.MARKDOWN].read_text().splitlines()[1] == "|---|---|---|---|---|"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        file.name for file in files.values()
    )


SUFFIX = {
    OutputFormat.TABLE: "txt",
    OutputFormat.CSV: "csv",
    OutputFormat.JSON: "json",
    OutputFormat.NDJSON: "jsonl",
    OutputFormat.PARQUET: "parquet",
    OutputFormat.MARKDOWN: "md",
}


def test_a_statement_that_fails_leaves_the_file_as_it_was(sql: Sql, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("as it was")
    query = "SELECT error('late') FROM range(30000) AS r(n) WHERE n > 29000"
    assert sql(query, "--out", str(file)).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]
    assert file.read_text() == "as it was"
    refused = sql("SELECT 1", "--out", "/proc/rows.csv")
    assert refused.returncode == 3
    assert "--out /proc/rows.csv: cannot be written" in refused.stderr


@pytest.mark.parametrize("how", ["table", "csv", "ndjson", "parquet"])
def test_a_limit_stops_and_says_that_there_is_more(sql: Sql, tmp_path: Path, how: str) -> None:
    file = str(tmp_path / "out")
    query = "FROM range(25000)"
    more = sql(query, "--out", file, "--format", how, "--limit", "20001")
    assert "20,001 rows\nthere are more rows than the limit of 20,001" in more.stderr
    assert "more rows" not in sql(query, "--out", file, "--format", how, "--limit", "25000").stderr
    if how == "parquet":
        assert pq.read_table(file).num_rows == 25000
    assert sql.out(query, "--limit", "0", "--format", "csv") == "range\n"


def test_names_that_come_twice_and_markup_stay_apart(sql: Sql, tmp_path: Path) -> None:
    file = tmp_path / "twice.parquet"
    sql.out("SELECT 1 AS a, 2 AS a", "--out", str(file))
    assert pq.read_table(file).to_pylist() == [{"a": 1, "a_1": 2}]
    line = sql.out("SELECT 'x|y' AS a, e'two\\nlines' AS b", "--format", "markdown").splitlines()[2]
    assert line == r"| x\|y | two\\nlines |"


def test_what_a_lake_has_can_be_listed_and_described(sql: Sql) -> None:
    there = {"_changes", "_rejects", "_runs", "_targets", "devices", "devices_history", "events"}
    assert there <= set(sql.out("SHOW TABLES").split())
    assert "device_name" in sql.out("DESCRIBE devices")
    assert "memory" in sql.out("SUMMARIZE devices")
    listed = "SELECT column_name FROM information_schema.columns WHERE table_name = 'events'"
    assert set(sql.out(listed).split()) == {"column_name", "event_id", "seen_at", "date"}


def test_a_plan_is_shown_as_it_is_drawn_and_only_of_a_select(sql: Sql, tmp_path: Path) -> None:
    select = "SELECT count(*) FROM devices WHERE memory > 8"
    for words in ("EXPLAIN", "explain analyze", "-- why\nEXPLAIN"):
        plan = sql.out(f"{words} {select}")
        assert "READ_PARQUET" in plan
        assert "\\n" not in plan
    assert sql.out("SELECT true AS yes, NULL AS no").split() == ["yes", "no", "true"]
    for words in (f"ANALYZE COPY devices TO '{tmp_path}/x.csv'", "DROP VIEW devices", "EXPLAIN"):
        done = sql(f"EXPLAIN {words}")
        assert done.returncode == 2, words
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_like_no_other_is_answered_with_those_there_are(lake: Lake) -> None:
    with pytest.raises(SqlError) as error:
        query_lake(lake, "FROM nothing_like_it")
    assert (
        error.value.excerpt[-1] == "There are devices, events, _changes, _rejects, _runs, _targets"
    )
    with pytest.raises(SqlError, match="Did you mean devices") as error:
        query_lake(lake, "FROM device")
    assert not error.value.excerpt[-1].startswith("There are")
    with pytest.raises(SqlError, match="a word of SQL: to name a column so, write AS hours"):
        query_lake(lake, "SELECT memory / 3600 hours FROM devices")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_row_too_wide_for_a_terminal_is_turned_and_a_narrow_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "50")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    print_result(["a", "long_name"], [["x" * 30, None], ["\x1b[2J", timedelta(1)]])
    print_result(["a"], [[1]])
    assert screen.getvalue().splitlines() == [
        "-- row 1 of 2 --",
        f"a          {'x' * 30}",
        "long_name",
        "-- row 2 of 2 --",
        "a          \\x1b[2J",
        "long_name  1 day, 0:00:00",
        "a",
        "1",
    ]


def test_a_long_table_goes_through_the_pager_and_leaving_it_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("LINES", "24")
    seen = tmp_path / "seen"
    monkeypatch.setenv("PAGER", f"tee {seen}")
    print_result(["n"], [[number] for number in range(100)])
    assert len(seen.read_text().splitlines()) == 101
    monkeypatch.setenv("PAGER", "true")
    print_result(["n"], [[number] for number in range(100_000)])
    # It shows the first lines at once: the last ones are made when it asks for them.
    lines = iter([str(number) for number in range(100_000)])
    page(lines)
    assert next(lines, None)


@pytest.mark.parametrize(
    ("written", "statements", "left"),
    [
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT ';' AS a, \"b;\" -- c;\n", [], "SELECT ';' AS a, \"b;\" -- c;\n"),
        ("SELECT 'é;'; SELECT $$;$$; /* ; */ x", ["SELECT 'é;'", "SELECT $$;$$"], " /* ; */ x"),
        ("SELECT 1; -- done;", ["SELECT 1"], ""),
        (";;", [], ""),
        ("SELECT 'open;", [], "SELECT 'open;"),
    ],
)
def test_a_semicolon_ends_a_statement_and_nothing_else(
    written: str, statements: list[str], left: str
) -> None:
    found, rest = split(written)
    assert (found, rest) == (statements, left)


def test_the_shell_runs_statements_of_several_lines_and_goes_on_after_an_error(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    session = ShellSession(
        StatementSource(lake, Room(), lambda: NOTHING), OutputFormat.TABLE, limit=3
    )
    lines = ["SELECT 1 AS one,", "2 AS two;", "FROM nowhere;", ".format csv", "FROM devices;"]
    lines += [".columns events", "FROM read_csv('/etc/passwd');", ".wrong", ".format parquet"]
    assert all(take_line(session, line) for line in lines)
    shown = capsys.readouterr()
    assert shown.out.startswith("one  two\n1    2\ndevice_uid,")
    assert "event_id,BIGINT" in shown.out
    assert "Did you mean" in shown.err or "There are devices" in shown.err
    assert "3 rows and more" in shown.err
    assert "root:" not in shown.out + shown.err
    assert shown.err.count("not understood") == 2
    assert not take_line(session, ".quit")
    assert not take_line(session, "exit;")


def test_the_shell_shows_what_columns_mean(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    offer = Offered(comments=lambda _dataset: {"event_id": "Which one. [pieces]"})
    session = ShellSession(
        StatementSource(lake, Room(), lambda: offer), OutputFormat.CSV, limit=None
    )
    assert take_line(session, ".columns events")
    assert take_line(session, ".columns evnts")
    shown = capsys.readouterr()
    assert "event_id,BIGINT,Which one. [pieces]" in shown.out.splitlines()
    assert "Did you mean events" in shown.err


@pytest.mark.parametrize(
    "wrong", ["'24.9' <= written", "max(written)", "w.written BETWEEN '1' AND '2'"]
)
def test_versions_are_compared_by_their_numbers_and_a_comparison_as_text_is_named(
    sql: Sql, wrong: str
) -> None:
    rows = """SELECT w.written AS build_version FROM
        (VALUES ('[24, 10, 1]'), ('[24, 9, 2]'), ('25.0'), (NULL)) AS w (written)
        WHERE version_parts(w.written) > version_parts('24.9.2') ORDER BY version_parts(written)"""
    right = sql("--format", "csv", rows)
    assert right.stdout.splitlines() == ["build_version", '"[24, 10, 1]"', "25.0"]
    assert right.stderr == ""
    text = wrong.replace("written", "collector_version")
    hint = sql("FROM (SELECT '1' AS collector_version) AS w SELECT " + text).stderr
    assert "compare version_parts(collector_version) with version_parts('24.9')" in hint


DEVICE_VIEWS = ["devices", "devices_history", "devices_changes"]


def test_words_are_completed_by_what_the_statement_names(lake: Lake) -> None:
    words = Words(lake)
    found = words.beginning("dev", "FROM ")
    assert found == ["device_uid", "device_name", *DEVICE_VIEWS]
    assert words.beginning("e", "SELECT e FROM events") == ["event_id", "events"]
    assert words.beginning("d.mem", "FROM devices d WHERE d.mem") == ["d.memory"]
    assert words.beginning(".ta", ".ta") == [".tables"]
    assert "SELECT" in words.beginning("sel", "sel")


@pytest.mark.slow
def test_in_a_terminal_the_shell_completes_remembers_and_is_stopped_by_ctrl_c(
    settings: dict[str, str], place: Path
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the other process
        environment = os.environ | settings | {"PAGER": "cat", "TERM": "dumb"}
        os.execve(sys.executable, [sys.executable, "-m", "nxp", "sql"], environment)  # noqa: S606
    shown = ""

    def send(typed: bytes, until: str) -> None:
        nonlocal shown
        os.write(terminal, typed)
        shown, deadline = "", time.monotonic() + 60
        while until not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65_536).decode(errors="replace")
        assert until in shown, shown

    send(b"", "nxp> ")
    send(b"SELECT memo\t FROM devices;\n", "4 rows")
    assert "SELECT memory" in shown
    send(
        b"SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range*b.range=7;\n", "\n"
    )
    time.sleep(1)
    send(b"\x03", "nxp> ")
    send(b"SELECT 7 AS\nseven;\n", "1 row")
    os.write(terminal, b"\x04")
    with suppress(OSError):
        while os.read(terminal, 65_536):
            continue
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    history = place / "sql_history"
    assert "seven;" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
