"""The shell of `nxp sql`: statements over several lines, with history and completion.

Each statement is run as one of its own, by the same rules as on the command line, and sees what has
landed since the one before.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final

import duckdb

from connectors import private
from connectors.counting import number_of
from connectors.errors import PipelineError, SqlError
from connectors.lake.sql_versions import version_hint
from connectors.lake.sql_views import views_of
from connectors.quoting import quoted_text
from nxp.output import print_text, say, text
from nxp.sql_formats import OutputFormat, StatementSource, fetched, show
from nxp.sql_words import Words

try:
    import readline
except ImportError:
    # Some builds of Python lack it: then there is neither history nor completion.
    readline = None  # type: ignore[assignment] # asked for before it is used

FIRST: Final = "nxp> "
NEXT: Final = "...> "
HISTORY: Final = "sql_history"
MOST_KEPT: Final = 1_000
HELP: Final = """\
End a statement with a semicolon; it may have several lines. Tab completes datasets and columns.
.tables          the datasets, and the other views
.columns NAME    the columns of one: type and meaning
.format NAME     how results are shown: table, csv, json, ndjson, markdown
.help            this text
.quit            leave, as Ctrl-D; Ctrl-C stops a statement"""

MEANINGS: Final = (
    "SELECT column_name, data_type, comment AS meaning FROM duckdb_columns() "
    "WHERE lower(table_name) = {} ORDER BY column_index"
)


@dataclass(slots=True)
class ShellSession:
    """What a shell runs statements against, and how it shows results."""

    source: StatementSource
    how: OutputFormat
    limit: int | None
    buffer: list[str] = field(default_factory=list)

    def run(self, statement: str) -> None:
        """Run one statement and show its result, or what is wrong with it."""
        try:
            result = self.source.read(statement, lambda rows: fetched(rows, self.limit))
            show(result, self.how)
            more = " and more" if result.has_more else ""
            say(f"{number_of(len(result.rows), 'row')}{more}")
            if hint := version_hint(statement):
                say(hint)
        except PipelineError as error:
            excerpt = error.excerpt if isinstance(error, SqlError) else ()
            say("\n".join([" ".join(str(error).split()), *map(text, excerpt)]))
        except OSError as error:
            say(f"the system refused: {error.strerror or error}")
        except KeyboardInterrupt:
            say("stopped")

    def columns(self, view: str) -> None:
        """Show the columns of a view, with what its dataset's YAML says of them."""
        name = view.strip('"').lower()
        if name in views_of(self.source.lake.datasets(), self.source.offer()):
            self.run(MEANINGS.format(quoted_text(name)))
        else:
            # It fails, with the names that may be meant.
            self.run(f"DESCRIBE {view}")

    def command(self, line: str) -> bool:
        """Do what a line with a dot asks for; return whether to go on."""
        name, _, argument = line.strip().rstrip(";").partition(" ")
        argument = argument.strip()
        match name:
            case ".quit" | ".exit":
                return False
            case ".help":
                print_text(HELP)
            case ".tables":
                self.run("SHOW TABLES")
            case ".columns" if argument:
                self.columns(argument)
            case ".format" if argument in set(OutputFormat) - {OutputFormat.PARQUET}:
                self.how = OutputFormat(argument)
            case _:
                say(f"{line.strip()}: not understood; .help lists what there is")
        return True


def shell(source: StatementSource, how: OutputFormat, limit: int | None) -> None:
    """Read statements from the terminal and run them, until its end or `.quit`."""
    session = ShellSession(source, how, limit)
    say(f"{source.lake.location()}: read-only; .help shows how")
    with suppress(EOFError), _history(source.room.home, session):
        goes_on = True
        while goes_on:
            try:
                goes_on = take_line(session, input(NEXT if session.buffer else FIRST))
            except KeyboardInterrupt:
                session.buffer.clear()
                print_text("")


def take_line(session: ShellSession, line: str) -> bool:
    """Do what a line completes, a statement or a command; return whether to go on."""
    if not session.buffer and line.lstrip().startswith("."):
        return session.command(line)
    if not session.buffer and line.strip().lower() in {"quit", "exit", "quit;", "exit;"}:
        return False
    session.buffer.append(line)
    written = "\n".join(session.buffer)
    statements, left = split(written)
    if statements or not left.strip():
        session.buffer[:] = [left] if left.strip() else []
    for statement in statements:
        session.run(statement)
    return True


def split(written: str) -> tuple[list[str], str]:
    """Return the complete statements of a text, and what follows the last semicolon.

    A semicolon within a text, a name or a comment ends nothing.
    """
    statements, begin = [], 0
    for end in _semicolons(written):
        if statement := written[begin:end].strip():
            statements.append(statement)
        begin = end + 1
    left = written[begin:]
    if statements and not _has_words(left):
        # A comment after the last statement belongs to nothing.
        left = ""
    return statements, left


def _semicolons(written: str) -> Iterator[int]:
    # Positions are bytes.
    encoded = written.encode()
    tokens = duckdb.tokenize(written)
    for place, kind in tokens:
        if kind == duckdb.token_type.operator and encoded[place : place + 1] == b";":
            yield len(encoded[:place].decode(errors="replace"))


def _has_words(written: str) -> bool:
    return any(kind != duckdb.token_type.comment for _, kind in duckdb.tokenize(written))


class _history:  # noqa: N801 - used as a function
    """Keeps the lines of a session in NXP_HOME, for its owner only, and completes names."""

    def __init__(self, home: Path | None, session: ShellSession) -> None:
        self._path = home / HISTORY if home else None
        self._session = session

    def __enter__(self) -> None:
        if readline is None:
            return
        _complete(readline, self._session)
        if self._path is None:
            return
        with suppress(OSError):
            private.make_folder(self._path.parent)
            private.make_file(self._path)
            readline.read_history_file(self._path)
            readline.set_history_length(MOST_KEPT)

    def __exit__(self, *_: object) -> None:
        if readline is None:
            return
        readline.set_completer(None)
        if self._path is None:
            return
        # Someone who may only read needs no history.
        with suppress(OSError):
            readline.write_history_file(self._path)
            self._path.chmod(0o600)


def _complete(line: ModuleType, session: ShellSession) -> None:
    words = Words(session.source.lake, session.source.offer().tables)

    def complete(begun: str, number: int) -> str | None:
        before = "\n".join([*session.buffer, line.get_line_buffer()])
        found = words.beginning(begun, before)
        return found[number] if number < len(found) else None

    line.set_completer(complete)
    line.set_completer_delims(" \t\n`!@#$%^&*()=+[{]}\\|;:'\",<>/?~-")
    is_libedit = "libedit" in (line.__doc__ or "")
    line.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
