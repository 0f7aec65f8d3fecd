"""What is printed and logged does nothing to the terminal, and fits any encoding and any reader."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.errors import ConfigurationError
from connectors.logs import JsonLines, PlainRecord, TextWithNames, write_plainly
from connectors.printable import printable, to_json
from nxp.cli import run
from nxp.output import print_json, print_table, say
from tests.landing import CATALOG

HOSTILE = {
    "escape": "\x1b]0;owned\x07",
    "carriage return": "real\rfake",
    "backspace": "a\x08b",
    "delete": "\x7f",
    "one byte CSI": "\x9b2J",
    "right to left": "\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "mark": "\u200f",
    "arabic mark": "\u061c",
    "line separator": "\u2028",
    "half a character": "\ud800",
    "null": "\x00",
}
each_hostile = pytest.mark.parametrize("word", HOSTILE.values(), ids=HOSTILE)


def is_harmless(shown: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in shown)


@each_hostile
def test_no_character_of_others_controls_the_terminal(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(f"column {word}")
    print_table(["x", word], [["1", word]])
    print_json({word: word})
    shown = capsys.readouterr()
    assert is_harmless(shown.out)
    assert is_harmless(shown.err)
    assert "\\" in shown.err
    record = PlainRecord("tasks", logging.INFO, "f.py", 1, "column %s", (word,), None)
    assert is_harmless(TextWithNames().format(record))
    assert is_harmless(JsonLines().format(record))
    error = ConfigurationError(f"column {word}")
    info = (type(error), error, None)
    failed = PlainRecord("tasks", logging.INFO, "f.py", 1, "x", (), info)
    assert is_harmless(logging.Formatter().format(failed))
    monkeypatch.setenv("NXP_HOME", str(tmp_path))
    monkeypatch.setenv("NXP_CATALOG", str(CATALOG))
    assert run(["export", word]) == 2
    assert is_harmless(capsys.readouterr().err)


@each_hostile
def test_json_keeps_its_values(word: str) -> None:
    for encoding in ("utf-8", "cp1252", "ascii", None):
        document = to_json({word: f"é {word} 漢"}, encoding)
        assert is_harmless(document)
        assert json.loads(document) == {word: f"é {word} 漢"}
        document.encode(encoding or "utf-8")


def test_letters_of_all_scripts_stay() -> None:
    text = "é ü ™ Ж 漢字 שלום مرحبا 👩\u200d💻 a\u00a0b\tc\nd"
    assert printable(text) == text
    assert json.loads(to_json(text, "utf-8")) == text
    assert "漢字" in to_json(text, "utf-8")


def test_all_loggers_of_the_process_write_plainly() -> None:
    before = logging.getLogRecordFactory()
    try:
        write_plainly()
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logger = logging.getLogger("somebody.else")
        logger.addHandler(handler)
        logger.warning("state %s", "\x1b[2J")
        logger.removeHandler(handler)
        assert stream.getvalue() == "state \\x1b[2J\n"
    finally:
        logging.setLogRecordFactory(before)


PROGRAM = """
import sys
from nxp.output import print_json, print_table, say, take_any_character
take_any_character()
print_json({"name": "Zürich ™ 漢 \\ud800 👩"})
print_table(["é"], [["漢"]])
say("™ is written out")
"""


slow = [pytest.param(each, marks=pytest.mark.slow) for each in ("latin-1", "cp437", "utf-16")]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", *slow])
def test_every_encoding_of_stdout_will_do(encoding: str) -> None:
    environ = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document, _, rest = done.stdout.decode(encoding).partition("}")
    assert json.loads(document + "}") == {"name": "Zürich ™ 漢 \ud800 👩"}
    assert rest.strip()
    assert b"is written out" in done.stderr.replace(b"\x00", b"")


SHELL = {
    "head": ('"$0" -m nxp nql queries users | head -c 1; exit ${PIPESTATUS[0]}', 0),
    "head of the help": ('"$0" -m nxp --help | head -n 1; exit ${PIPESTATUS[0]}', 0),
    "stdout closed": ('"$0" -m nxp nql queries users >&-', 0),
    "stderr closed": ('"$0" -m nxp nql queries nope 2>&-', 2),
    "both closed": ('"$0" -m nxp nql queries nope >&- 2>&-', 2),
    "all closed": ('"$0" -m nxp nql queries users <&- >&- 2>&-', 0),
    "stderr is not read": ('"$0" -m nxp nql queries nope 2> >(true)', 2),
}


QUICK = {"head of the help", "stdout closed"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(*each, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, each in SHELL.items()
    ],
)
def test_readers_that_close_early_are_no_error(words: str, code: int, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "NXP_CATALOG": str(CATALOG), "NXP_HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", words, sys.executable],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
