"""Commands that a page of docs shows, run for real, and their output compared with the page's.

A fenced block `console` has commands after `$ ` and what they print. Numbers, ids and the widths of
columns may differ; `…` stands for anything within a line, and for any lines where it is alone. A
comment after the command (`  # …`) may name its exit code (`exit code 3`) or what a test has to set
up first. With RENEW_DOCS=1 the page gets the real output, except where it has `…`.
"""

import contextlib
import io
import os
import re
import shlex
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nxp.cli import run

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
    return [each for block in _BLOCK.findall(part) for each in commands_of(block)]


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
        prepare_for(command, prepare)
        compare(page, command, *ran(command))
    return len(found)


def prepare_for(command: Command, prepare: Mapping[str, Callable[[], object]]) -> None:
    """Do what a command's comment asks a test to do first."""
    for words, act in prepare.items():
        if words in command.comment:
            act()


def compare(page: str, command: Command, code: int, printed: str) -> None:
    """Compare a command's exit code and output with the page, or renew the page."""
    assert code == command.code, (command.line, printed)
    if os.environ.get("RENEW_DOCS") and not any("…" in line for line in command.shown):
        _renew(page, command, printed)
    else:
        assert pattern(command.shown).fullmatch(plain(printed)), (command.line, printed)


def commands_of(block: str) -> list[Command]:
    """Return the commands of a block."""
    made: list[Command] = []
    for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        line, *shown = part.rstrip("\n").split("\n")
        typed, _, comment = line.partition("  # ")
        made.append(Command(typed, tuple(shlex.split(typed)), comment.strip(), tuple(shown)))
    return made


def ran(command: Command) -> tuple[int, str]:
    """Run a command of nxp in this process; return its exit code and what it printed."""
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


def plain(text: str) -> str:
    """Return text without what differs from run to run."""
    lines = [" ".join(line.split()) for line in text.strip("\n").split("\n")]
    return "\n".join(_NUMBER.sub("0", _ID.sub("0", line)) for line in lines)


def pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    """Return what an output has to match, once it is plain."""
    # A line of its own first: it also matches no line at all.
    text = re.escape(plain("\n".join(shown)))
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
