"""Commands that a page of docs shows, run for real, and their output compared with the page's.

A fenced block `console` has commands after `$ ` and what they print. Numbers, ids and the widths of
columns may differ; `…` stands for anything within a line, and for any lines where it is alone. A
comment after the command (`  # …`) may name its exit code (`exit code 3`) or what a test has to set
up first. With RENEW_DOCS=1 the page gets the real output, except where it has `…`.

A page that is followed (`follow`) may also have files: blocks whose first line is a comment with
the path. Commands other than nxp are run by a shell, and `export` and `cd` last to the page's end.
Ids in a command are those of an output above it. Its dates were written in the week of WRITTEN and
are moved by whole weeks up to today, so that a working day stays one.
"""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from nxp.cli import run

DOCS = Path(__file__).resolve().parents[1] / "docs"
# The Monday on which pages that are followed were written.
WRITTEN = date(2026, 11, 30)
# How pages name the folder in which they are followed.
HERE = "/home/ann/nexthink"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PIECE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{8}T\d{6}Z-[0-9a-f]{8}|\b[0-9a-f]{12}\b"
)
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_FILE = re.compile(r"(?:#|--|/\*) ([\w./-]+\.\w+)\b.*\n")
_VARIABLE = re.compile(r"[A-Z_]+=")
_CODE = re.compile(r"exit code (\d+)")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")
_NUMBER = re.compile(r"\d[\d,.:]*")


@dataclass(frozen=True)
class Command:
    """A command of a page, its comment, and the lines below it."""

    line: str
    words: tuple[str, ...]
    comment: str
    shown: tuple[str, ...]

    @property
    def code(self) -> int:
        """The exit code that the comment names, otherwise 0."""
        found = _CODE.search(self.comment)
        return int(found[1]) if found else 0


def commands(page: str, heading: str = "") -> list[Command]:
    """Return the commands of a page of docs, or of its part below a heading."""
    text = (DOCS / page).read_text("utf-8")
    part = text[text.index(heading) :] if heading else text
    if heading:
        level = heading.partition(" ")[0]
        end = re.search(rf"^#{{2,{len(level)}}} ", part[len(heading) :], re.MULTILINE)
        part = part[: len(heading) + end.start()] if end else part
    return [each for block in _BLOCK.findall(part) for each in _commands(block)]


def check(
    page: str,
    prepare: Mapping[str, Callable[[], object]],
    heading: str = "",
) -> int:
    """Run the commands of a page in this process, and compare; return how many there were.

    Args:
        page: a file of docs.
        prepare: what to do before a command whose comment has these words.
        heading: the part of the page; by default the whole page.
    """
    found = commands(page, heading)
    for command in found:
        _prepare(command, prepare)
        _compare(page, command, *_ran(command))
    return len(found)


def follow(
    page: str,
    folder: Path,
    prepare: Mapping[str, Callable[[], object]],
    meant: Mapping[str, str],
) -> int:
    """Follow a page from its beginning in a folder, as a reader would; return how many commands.

    Args:
        page: a file of docs.
        folder: where its files are written and its commands begin.
        prepare: what to do before a command whose comment has these words.
        meant: addresses of the page, and those of the test that they stand for.
    """
    done = 0
    real = {HERE: str(folder), **meant}
    ids: dict[str, str] = {}
    with _place(folder):
        for piece in _pieces(page):
            if isinstance(piece, Command):
                _prepare(piece, prepare)
                code, printed = _done(_today(piece, real | ids))
                for name, address in real.items():
                    printed = printed.replace(address, name)
                _compare(page, piece, code, printed)
                shown = _NAMED.findall("\n".join(piece.shown))
                ids |= dict(zip(shown, _NAMED.findall(printed), strict=False))
                done += 1
            else:
                path, text = piece
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace(HERE, str(folder)), "utf-8")
    if os.environ.get("RENEW_DOCS"):
        text = (DOCS / page).read_text("utf-8")
        text = _NAMED.sub(lambda found: ids.get(found[0], found[0]), text)
        (DOCS / page).write_text(text, "utf-8")
    return done


def _pieces(page: str) -> Iterator[Command | tuple[Path, str]]:
    for kind, text in _PIECE.findall((DOCS / page).read_text("utf-8")):
        if kind == "console":
            yield from _commands(text)
        elif named := _FILE.match(text):
            yield Path(named[1]), text


def _today(command: Command, ids: Mapping[str, str]) -> Command:
    """Return a command of a page with today's dates and ids."""
    weeks = (datetime.now(UTC).date() - WRITTEN) // timedelta(weeks=1)

    def moved(found: re.Match[str]) -> str:
        return f"{date.fromisoformat(found[0]) + timedelta(weeks=weeks)}"

    def made(text: str) -> str:
        for old, new in ids.items():
            text = text.replace(old, new)
        return _DATE.sub(moved, text)

    words = tuple(made(word) for word in command.words)
    return replace(command, line=made(command.line), words=words)


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[None]:
    before = dict(os.environ)
    try:
        with contextlib.chdir(folder):
            # Programs of this environment come first, as after `source .venv/bin/activate`.
            os.environ["PATH"] = f"{Path(sys.executable).parent}:{before['PATH']}"
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _prepare(command: Command, prepare: Mapping[str, Callable[[], object]]) -> None:
    for words, act in prepare.items():
        if words in command.comment:
            act()


def _compare(page: str, command: Command, code: int, printed: str) -> None:
    assert code == command.code, (command.line, printed)
    if os.environ.get("RENEW_DOCS") and not any("…" in line for line in command.shown):
        _renew(page, command, printed)
    else:
        assert _pattern(command.shown).fullmatch(_plain(printed)), (command.line, printed)


def _done(command: Command) -> tuple[int, str]:
    """Run a command of a page that is followed; return its exit code and what it printed."""
    first = command.words[0]
    if first == "export":
        for name, _, value in (word.partition("=") for word in command.words[1:]):
            os.environ[name] = value
    elif first == "cd":
        os.chdir(command.words[1])
    elif first == "nxp" and not {"|", ">", "&&"} & set(command.words):
        return _ran(command)
    else:
        ended = subprocess.run(
            ["bash", "-c", command.line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout
    return 0, ""


def _commands(block: str) -> list[Command]:
    made: list[Command] = []
    for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        line, *shown = part.rstrip("\n").split("\n")
        typed, _, comment = line.partition("  # ")
        made.append(Command(typed, tuple(shlex.split(typed)), comment.strip(), tuple(shown)))
    return made


def _ran(command: Command) -> tuple[int, str]:
    words = list(command.words)
    given = []
    while _VARIABLE.match(words[0]):
        given.append(words.pop(0).split("=", 1))
    assert words.pop(0) == "nxp", command.words
    before = signal.getsignal(signal.SIGTERM)
    kept = {name: os.environ.get(name) for name, _ in given}
    os.environ.update(dict(given))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = run(words)
    finally:
        signal.signal(signal.SIGTERM, before)
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return code, printed.getvalue()


def _plain(text: str) -> str:
    """Return text without what differs from run to run."""
    lines = [" ".join(line.split()) for line in text.strip("\n").split("\n")]
    return "\n".join(_NUMBER.sub("0", _ID.sub("0", line)) for line in lines)


def _pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    # A line of its own first: it also matches no line at all.
    text = re.escape(_plain("\n".join(shown)))
    text = re.sub(r"(?:^|\\\n)…(?=\\\n|$)", r"(?:(?:^|\\n)[^\\n]*)*", text)
    return re.compile(text.replace("…", r"[^\n]*"))


def _renew(page: str, command: Command, printed: str) -> None:
    """Write what was printed below the first such command with what it shows now."""
    path = DOCS / page
    text = path.read_text("utf-8")
    shown = "".join(f"{line}\n" for line in command.shown)
    typed = re.escape(f"$ {command.line}").replace(r"\ ", r"(?:\s|\\\n)+")
    found = re.search(
        rf"^{typed}(?:  # .*)?\n(?={re.escape(shown)}(?:\$ |```))", text, re.MULTILINE
    )
    assert found, command.line
    lines = printed.strip("\n")
    new = f"{lines}\n" if lines else ""
    text = text[: found.end()] + new + text[found.end() + len(shown) :]
    path.write_text(text, "utf-8")
