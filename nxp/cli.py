"""The command line: its commands, and how an error becomes one line and an exit code.

Commands are named by import path, so that `nxp --help` imports none of them.
"""

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, Group

from connectors.errors import PipelineError, SqlError, StorageError, UsageError
from connectors.logs import write_json, write_plainly
from nxp.command_table import COMMANDS, COMPLETION, GROUPS, path_of
from nxp.examples import epilogue
from nxp.output import is_json_asked, say, say_left, silence, take_any_character
from nxp.output import text as as_text
from nxp.sections import SECTIONS, place_of

BUG = 1
USAGE = 2
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT
# Words that begin like an option and go on after a space: only a statement's comment does.
COMMENT = re.compile(r"--(?!(query|tenant|file|format|out|limit)=)\S*\s")
STOPPED = "stopped; what has landed stays, and the next run resumes from there"
SENT = "stopped; what was sent is recorded, and the next run continues from there"
# What stays of a command that was stopped; of others, there is nothing to say.
STAYS = dict.fromkeys(("demo", "export", "backfill", "replay", "lake", "maintain"), STOPPED)
STAYS |= dict.fromkeys(("sync", "apply", "retry", "act"), SENT)

# What a shell calls for names that it completes.
COMPLETE = "__complete"


def build_app() -> App:
    """Return the command line with all its commands."""
    app = App(
        name="nxp",
        help="Move data between Nexthink and the rest of the company; act on devices and people.",
        # Examples keep their lines; the other formats import a renderer of Markdown.
        help_format="plaintext",
        help_epilogue="nxp COMMAND --help shows the options of a command, with examples.",
        version=_version,
        result_action="return_value",
        help_on_error=False,
        # Ctrl-C is answered by `run`, in words.
        suppress_keyboard_interrupt=False,
    )
    sections = {name: Group(name, sort_key=place) for place, name in enumerate(SECTIONS)}
    for name, text in COMMANDS.items():
        section, place = place_of(name)
        shown: dict[str, Any] = {"help": text, "group": sections[section], "sort_key": place}
        if name not in GROUPS:
            path = f"nxp.commands.{name}:{name}"
            app.command(path, name=name, help_epilogue=epilogue(name), **shown)
            continue
        hint = f"nxp {name} COMMAND --help shows the options of a command, with examples."
        group = App(name=name, help_epilogue=hint, **shown)
        for place, (verb, verb_text) in enumerate(GROUPS[name].items()):
            group.command(
                path_of(name, verb),
                name=verb,
                help=verb_text,
                sort_key=place,
                help_epilogue=epilogue(f"{name} {verb}"),
            )
        app.command(group)
    section, place = place_of(COMPLETION)
    app.command(
        "nxp.commands.completion:install_completion",
        name=COMPLETION,
        help="Let the shell complete commands, options and datasets: bash, zsh, fish.",
        group=sections[section],
        sort_key=place,
        help_epilogue=epilogue(COMPLETION),
    )
    options = Group("Options", sort_key=len(SECTIONS))
    app["--help"].group = app["--version"].group = options
    return app


def check_text(arguments: Sequence[str]) -> None:
    """Raise unless all words of a command are text in UTF-8.

    Raises:
        UsageError: one is not, or the system's locale reads it as something else.
    """
    for place, word in enumerate(arguments, 1):
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"word {place} of the command is not text in UTF-8: write it so, and set LC_ALL to "
                "a locale of UTF-8"
            ) from None


def check_words(arguments: Sequence[str]) -> None:
    """Raise unless the first words name a command.

    Cyclopts would import every command to find the nearest name, which takes seconds.

    Raises:
        UsageError: there is no such command; the message has the nearest one.
    """
    known: Mapping[str, object] = COMMANDS
    for number, word in enumerate(arguments[:2]):
        if word.startswith("-") or word == COMPLETE:
            return
        if word not in known:
            raise UsageError(_unknown(word, list(known), _command(arguments[:number])))
        if word not in GROUPS:
            return
        known = GROUPS[word]


def _command(arguments: Sequence[str]) -> str:
    """Return the command that the first words name, as a person would type it."""
    words, known = ["nxp"], COMMANDS.keys()
    for word in arguments[:2]:
        if word not in known:
            break
        words.append(word)
        known = GROUPS.get(word, {}).keys()
    return " ".join(words)


def _unknown(word: str, known: list[str], command: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    near = get_close_matches(word, known, n=1)
    meant = f'Did you mean "{near[0]}"? ' if near else ""
    available = f"Available commands: {', '.join(known)} (see {command} --help)"
    return f'Unknown command "{word}". {meant}{available}'


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return for each way to end
    """Run one command and return the exit code; an error is one line on stderr.

    Below it, an error of SQL shows where in the statement it is.
    """
    signal.signal(signal.SIGTERM, _terminate)
    stays = STAYS.get(arguments[0], "stopped") if arguments else "stopped"
    take_any_character()
    write_plainly()
    if is_json_asked():
        write_json()
    try:
        check_text(arguments)
        check_words(arguments)
        result = build_app()(_readable(arguments), exit_on_error=False, print_error=False)
        sys.stdout.flush()
        say_left()
    except CycloptsError as error:
        from nxp.usage import in_words  # noqa: PLC0415 - only after a mistake

        return _say(_one_line(in_words(error, _command(arguments))), USAGE)
    except PipelineError as error:
        excerpt = error.excerpt if isinstance(error, SqlError) else ()
        return _say("\n".join([_one_line(error), *map(as_text, excerpt)]), error.exit_code)
    except KeyboardInterrupt:
        return _say(stays, INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has closed it (`nxp runs | head`), which is not an error.
        silence(sys.stdout)
        return 0
    except OSError as error:
        # Such as a full disk under our output, or a folder that may not be read.
        where = f" ({error.filename})" if error.filename else ""
        return _say(f"the system refused: {error.strerror or error}{where}", StorageError.exit_code)
    except SystemExit as stop:
        return _stopped(stop, stays)
    except BaseException as error:  # noqa: BLE001 - never a raw traceback; panics of Rust too
        return _report_bug(error)
    return result if isinstance(result, int) else 0


def _readable(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command; a statement that begins with a comment is not an option.

    Neither is `-`, for standard input.
    """
    if list(arguments[:1]) != ["sql"]:
        return list(arguments)
    words: list[str] = []
    for word in arguments:
        if word == "-":
            if words[-1] == "--file":
                words.pop()
            words.append("--file=-")
        else:
            words.append(f" {word}" if COMMENT.match(word) else word)
    return words


def _stopped(stop: SystemExit, stays: str) -> int:
    if isinstance(stop.__context__, BrokenPipeError):
        # How rich ends `nxp --help | head`.
        silence(sys.stdout)
        return 0
    if stop.code == TERMINATED:
        return _say(stays, TERMINATED)
    return stop.code if isinstance(stop.code, int) else BUG


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


def _say(line: str, code: int) -> int:
    say(line if is_json_asked() else f"nxp: {line}", logging.ERROR)
    return code


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def _report_bug(error: BaseException) -> int:
    """Report a bug without its message, which may hold data; NXP_DEBUG=1 shows everything."""
    if os.environ.get("NXP_DEBUG"):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119 - a name only
    return _say(f"a bug: {where}; run again with NXP_DEBUG=1 for details and report it", BUG)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only for --version

    return version("nexthink-pipelines")
