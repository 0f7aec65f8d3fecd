"""Pages of docs, followed as a reader would: files written, commands run, outputs compared.

What `tests/documents.py` says of commands holds here too. In addition, a block whose first line is
a comment with a path is a file; `export` and `cd` last to the page's end; a command whose comment
says `leave it running` runs until then; commands other than nxp are run by a shell. Ids in a
command are those of an output above it. Dates were written in the week of WRITTEN and are moved by
whole weeks up to today, so that a working day stays one. `/home/ann` is the reader's home.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.documents import DOCS, Command, commands_of, compare, pattern, plain, prepare_for, ran

HOME = "/home/ann"
# The Monday on which the pages were written.
WRITTEN = date(2026, 11, 30)
_PIECE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|--|/\*) ([\w./-]+\.\w+)\b.*\n")
_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{8}T\d{6}Z-[0-9a-f]{8}|\b[0-9a-f]{12}\b"
)
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_SHELL = {"|", ">", "&&", "2>/dev/null"}
_SECONDS = 90


@dataclass
class Walk:
    """A way through a page.

    Attributes:
        page: a file of docs.
        home: the folder that the page calls `/home/ann`.
        prepare: what to do before a command whose comment has these words.
        meant: addresses of the page, and those of the test that they stand for.
        apart: whether commands of nxp are processes of their own, as flows need.
    """

    page: str
    home: Path
    prepare: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    meant: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    _ids: dict[str, str] = field(default_factory=dict)

    def follow(self, folder: Path) -> int:
        """Begin in a folder, and return how many commands there were."""
        done = 0
        with contextlib.ExitStack() as until_the_end:
            until_the_end.enter_context(_shell(folder, self.home))
            for piece in _pieces(self.page):
                if not isinstance(piece, Command):
                    self._write(*piece)
                    continue
                done += 1
                prepare_for(piece, self.prepare)
                if "leave it running" in piece.comment:
                    until_the_end.enter_context(self._running(piece))
                    continue
                code, printed = _done(self._real(piece), apart=self.apart)
                printed = self._as_on_the_page(printed)
                compare(self.page, piece, code, printed)
                shown = _ID.findall("\n".join(piece.shown))
                self._ids |= dict(zip(shown, _ID.findall(printed), strict=False))
        if os.environ.get("RENEW_DOCS"):
            text = (DOCS / self.page).read_text("utf-8")
            text = _ID.sub(lambda found: self._ids.get(found[0], found[0]), text)
            (DOCS / self.page).write_text(text, "utf-8")
        return done

    @property
    def _stand_for(self) -> Mapping[str, str]:
        return {**self.meant, HOME: str(self.home)}

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(HOME, str(self.home)), "utf-8")

    def _as_on_the_page(self, printed: str) -> str:
        for name, real in self._stand_for.items():
            printed = printed.replace(real, name)
        return printed

    def _real(self, command: Command) -> Command:
        """Return a command with today's dates, and with the ids and addresses of this walk."""
        weeks = (datetime.now(UTC).date() - WRITTEN) // timedelta(weeks=1)

        def moved(found: re.Match[str]) -> str:
            return f"{date.fromisoformat(found[0]) + timedelta(weeks=weeks)}"

        def made(text: str) -> str:
            for name, real in {**self._stand_for, **self._ids}.items():
                text = text.replace(name, real)
            return _DATE.sub(moved, text)

        words = tuple(made(word) for word in command.words)
        return replace(command, line=made(command.line), words=words)

    @contextlib.contextmanager
    def _running(self, command: Command) -> Iterator[None]:
        """Run a command in the background from the moment at which it prints what is shown."""
        words = self._real(command).words
        with tempfile.TemporaryFile("w+") as printed:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], stdout=printed, stderr=subprocess.STDOUT
            )
            try:
                self._await(command, process, Path(f"/proc/self/fd/{printed.fileno()}"))
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(_SECONDS)

    def _await(self, command: Command, process: "subprocess.Popen[bytes]", printed: Path) -> None:
        end = time.monotonic() + _SECONDS
        shown = pattern(command.shown)
        while not shown.fullmatch(plain(text := self._as_on_the_page(printed.read_text("utf-8")))):
            assert process.poll() is None, (command.line, text)
            assert time.monotonic() < end, (command.line, text)
            time.sleep(0.1)


def _pieces(page: str) -> Iterator[Command | tuple[Path, str]]:
    for kind, text in _PIECE.findall((DOCS / page).read_text("utf-8")):
        if kind == "console":
            yield from commands_of(text)
        elif named := _FILE.match(text):
            yield Path(named[1]), text


@contextlib.contextmanager
def _shell(folder: Path, home: Path) -> Iterator[None]:
    before = dict(os.environ)
    try:
        with contextlib.chdir(folder):
            # Programs of this environment come first, as after `source .venv/bin/activate`.
            path = f"{Path(sys.executable).parent}:{before['PATH']}"
            os.environ.update({"PATH": path, "HOME": str(home)})
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _done(command: Command, *, apart: bool) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    first = command.words[0]
    if first == "export":
        for name, _, value in (word.partition("=") for word in command.words[1:]):
            os.environ[name] = value
    elif first == "cd":
        os.chdir(command.words[1])
    elif not apart and _is_ours(command):
        return ran(command)
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


def _is_ours(command: Command) -> bool:
    is_plain = command.words[0] != "printf" and not _SHELL & set(command.words)
    return is_plain and "nxp" in command.words[:2]
