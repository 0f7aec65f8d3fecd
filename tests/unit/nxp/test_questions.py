"""Files of questions: what is read, and what a mistake is called."""

from pathlib import Path

import pytest

from connectors.errors import ConfigurationError, UsageError
from connectors.lake.questions import (
    Chart,
    find_question,
    question_files,
    read_question,
    read_questions,
)
from nxp.library import LIBRARY
from nxp.questions_page import COMMAND, page
from tests.commands import called

TITLE = "-- title: Boots\n"
SQL = "SELECT 1 AS x"


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / "questions" / f"{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_question_is_read_with_its_head(tmp_path: Path) -> None:
    text = "-- title: Boots: a week\n-- text: One line\n--   and another.\n\n"
    path = written(tmp_path, f"{text}-- chart: line x=week y=n by=model\n\n-- why\nSELECT 1 -- x\n")
    with pytest.raises(ConfigurationError, match=r"^questions/mine.sql:7: write -- KEY: VALUE"):
        read_question(path)
    path.write_text(path.read_text("utf-8").replace("-- why\n", ""), "utf-8")
    question = read_question(path)
    assert (question.title, question.text) == ("Boots: a week", "One line and another.")
    assert question.chart == Chart("line", "week", "n", "model")
    assert (question.sql, question.file) == ("SELECT 1 -- x", "questions/mine.sql")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SQL, "1: the title is missing"),
        (f"-- title:\n{SQL}", "1: the title is missing"),
        (f"-- text: a\n{SQL}", "1: the title is missing"),
        (f"{TITLE}-- tittle: a\n{SQL}", "2: unknown key 'tittle': the keys are title, text, chart"),
        (f"{TITLE}{TITLE}{SQL}", "2: title: is there twice"),
        (f"{TITLE}-- chart: pie x=a y=b\n{SQL}", "2: chart: 'pie' is not one of line, bar, table"),
        (f"{TITLE}-- chart:\n{SQL}", "2: chart: '' is not one of"),
        (f"{TITLE}-- chart: line x=a\n{SQL}", "2: chart: line needs x=COLUMN and y=COLUMN"),
        (f"{TITLE}-- chart: line x=a z=b\n{SQL}", "2: chart: 'z=b' is not x=COLUMN"),
        (f"{TITLE}-- chart: line x=a x=b\n{SQL}", "2: chart: 'x=b' is not x=COLUMN"),
        (TITLE, "1: the SELECT is missing"),
        (f"{TITLE}\nSELECT a\nFROM (", "4: SQL: syntax error at or near"),
        (f"{TITLE}SELECT 1; SELECT 2", "2: SQL: write exactly one SELECT"),
        (f"{TITLE}DROP TABLE devices", "2: SQL: write exactly one SELECT"),
        (f"{TITLE};", "2: SQL: write exactly one SELECT"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    written(tmp_path, text)
    questions, problems = read_questions(tmp_path)
    assert not questions
    (problem,) = problems
    assert problem.startswith(f"questions/mine.sql:{said}")
    assert "\n" not in problem


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "questions" / "folder.sql").mkdir(parents=True)
    written(tmp_path, TITLE + SQL, "Two Words")
    (tmp_path / "questions" / "latin.sql").write_bytes("-- title: é".encode("latin-1"))
    _, problems = read_questions(tmp_path)
    assert [each.partition(":")[0] for each in problems] == [
        f"questions/{name}.sql" for name in ("Two Words", "folder", "latin")
    ]


@pytest.mark.parametrize(
    ("sql", "datasets"),
    [
        ("SELECT * FROM Boots, logins", ("boots", "logins")),
        ("WITH boots AS (SELECT * FROM logins) SELECT * FROM boots", ("logins",)),
        ("FROM devices_history JOIN devices_changes USING (device_uid)", ("devices",)),
        ("SELECT (SELECT count(*) FROM users) FROM _runs", ("users",)),
        ("SELECT 'from logins' -- from boots\nFROM crashes", ("crashes",)),
        ("PIVOT devices ON platform USING count(*) GROUP BY country;", ("devices",)),
        ("FROM (PIVOT boots ON model, entity) JOIN users USING (sid)", ("boots", "users")),
        ("PIVOT (FROM (PIVOT boots ON a USING sum(b))) ON c IN ('x'), d -- é", ("boots",)),
        ("UNPIVOT crashes ON COLUMNS(* EXCLUDE day)", ("crashes",)),
        ("SUMMARIZE logins", ("logins",)),
    ],
)
def test_the_datasets_are_those_that_the_sql_reads(
    tmp_path: Path, sql: str, datasets: tuple[str, ...]
) -> None:
    assert read_question(written(tmp_path, TITLE + sql)).datasets() == datasets


def test_the_projects_question_comes_before_the_librarys(tmp_path: Path) -> None:
    mine = written(tmp_path, TITLE + SQL, "slow_logins")
    files = question_files(tmp_path, LIBRARY)
    assert files["slow_logins"] == mine
    assert files["full_disks"].parent == LIBRARY / "questions"
    with pytest.raises(UsageError, match=r"slow_login'.*did you mean slow_logins"):
        find_question("slow_login", tmp_path, LIBRARY)


def test_the_librarys_questions_are_complete() -> None:
    questions, problems = read_questions(LIBRARY)
    assert not problems
    assert len(questions) >= 18
    for each in questions:
        assert each.text.endswith("."), each.name
        assert each.chart, each.name


def test_the_page_of_questions_is_current() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "questions.md").read_text("utf-8")
    assert text == page(), f"run: {COMMAND}"


def test_what_is_missing_is_said_with_the_commands_that_land_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "datasets").mkdir()
    dataset = (LIBRARY / "datasets" / "crashes.yaml").read_text("utf-8")
    (tmp_path / "datasets" / "crashes.yaml").write_text(dataset, "utf-8")
    written(tmp_path, TITLE + "FROM nowhere", "lost")
    written(tmp_path, SQL, "broken")
    for name, value in {"HOME": "home", "LAKE": "lake"}.items():
        monkeypatch.setenv(f"NXP_{name}", str(tmp_path / value))
    for name, value in {"INSTANCE": "acme", "REGION": "eu"}.items():
        monkeypatch.setenv(f"NEXTHINK_{name}", value)
    monkeypatch.setenv("NXP_CATALOG", str(tmp_path))
    done = called("ask", "crashes_per_1000_devices", capsys=capsys)
    needed = "crashes, devices have not landed yet"
    how = "nxp add devices; nxp export crashes devices"
    assert done.stderr == f"nxp: crashes_per_1000_devices: {needed}: {how}\n"
    assert done.returncode == 3
    lost = called("ask", "lost", capsys=capsys)
    assert lost.stderr.startswith("nxp: questions/lost.sql: it reads nowhere, which neither")
    # The others are listed nevertheless.
    listed = called("ask", capsys=capsys)
    assert (listed.returncode, "no: boots" in listed.stdout) == (3, True)
    assert "questions/broken.sql:1: the title is missing" in listed.stderr
    checked = called("check", capsys=capsys)
    assert "questions/broken.sql:1: the title is missing" in checked.stderr
    assert called("ask", "broken", capsys=capsys).returncode == 3
    written(tmp_path, f"{TITLE}\nSELECT\n    nosuch\nFROM _runs", "odd")
    odd = called("ask", "odd", capsys=capsys)
    assert odd.stderr.startswith("nxp: questions/odd.sql:4: SQL: Binder Error:")
    assert (odd.returncode, odd.stderr.count("\n")) == (3, 1)
    shown = called("ask", "slow_logins", "--sql", capsys=capsys)
    assert shown.stdout.startswith("SELECT\n")
    assert called("ask", "--sql", capsys=capsys).returncode == 2
