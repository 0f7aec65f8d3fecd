"""The command line: the names of commands, and how an error becomes one line and an exit code.

Commands are given by import path, so that `nxp --help` loads none of them.
"""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError

from connectors.errors import PipelineError, StorageError
from connectors.logs import write_json
from nxp.output import is_json_asked, say, say_left

BUG = 1
USAGE = 2
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT
STOPPED = "stopped; landed data stays, the next run resumes from there"

COMMANDS = {
    "demo": "Run the whole story on the sandbox: export a snapshot and a window, and show them.",
    "sandbox": "Serve a stand-in tenant on this machine until stopped.",
    "server": "Keep one local Prefect server for repeated use: start, stop, status.",
    "stack": "Everything a company runs, on this machine: up, down, status, env.",
    "worker": "Run a Prefect worker; when stopped, it lets its flow runs finish first.",
    "export": "Export a dataset from Nexthink and land it in the lake.",
    "backfill": "Land the windows between two dates; resumes after any interruption.",
    "state": "What the ledger knows about a dataset: show, reset.",
    "datasets": "List the catalogue's datasets, or show one; --nql prints its saved query.",
    "maintain": "Delete data past its retention, and superseded files.",
    "runs": "List runs, newest first.",
    "sql": "Query what landed, with DuckDB, read-only.",
    "nql": "Saved queries to paste; the raw NQL operations execute, export, status, download.",
    "remote-actions": "The raw operations on remote actions: list, show, execute, executions.",
    "workflows": "The raw operations on workflows: list, show, trigger, resume, executions.",
    "campaigns": "The raw operations on campaigns: trigger, responses.",
    "plan": "Plan a sync: what would be sent to Nexthink, with counts, guards and samples.",
    "apply": "Send exactly what a plan of a sync says.",
    "sync": "Plan and apply a sync under its guards, then read back.",
    "retry": "Send a sync's open, unknown and rejected values again.",
    "act": "Actions of the catalogue: plan, approve, run, status, resolve.",
    "enrich": "Send one enrichment request as given, and show the outcome of each object.",
    "schema": "Learn a dataset's columns and types from what its query returns.",
    "rejects": "List rejected rows by run, unit and reason; --raw also shows their text.",
    "replay": "Land a run's rejected rows that fit now, after the dataset was corrected.",
    "check": "Validate settings and catalogue; --connect also takes a token.",
    "deploy": "Make the Prefect server match deployments/*.yaml.",
    "doctor": "Look for problems: server, workers, ledger, lake, tenant, clock, deployments.",
}
GROUPS = {
    "server": {
        "start": "Start the server unless it runs; prints its API URL.",
        "stop": "Stop it.",
        "status": "Show whether it runs, and where.",
    },
    "stack": {
        "up": "Start the parts that do not run: PostgreSQL, Prefect, workers, S3, the sandbox.",
        "down": "Stop all parts; data stays.",
        "status": "Show the state of each part.",
        "env": "Print the variables that point a shell at it, as exports.",
    },
    "state": {
        "show": "Show watermark, windows by state, and exports in progress.",
        "reset": "Forget watermark and failures; landed data stays.",
    },
    "schema": {
        "learn": "Export once, prove the types over all rows, write the dataset's YAML.",
    },
    "act": {
        "plan": "Show who would be acted on, and who is left out; nothing is sent.",
        "approve": "Approve or decline a plan.",
        "run": "Send an approved plan, wait, and show its outcome.",
        "status": "Show what was planned and sent, and its outcome.",
        "resolve": "Record whether a request with unknown outcome was sent.",
    },
    "nql": {
        "queries": "List the catalogue's saved queries, or print one to paste into Nexthink.",
        "execute": "Run a saved query and print its rows (1,000 at most).",
        "export": "Start an export; prints its id.",
        "status": "Show the state of an export.",
        "download": "Write an export's result to a file, decompressed and complete.",
    },
    "remote-actions": {
        "list": "List remote actions.",
        "show": "Describe one: where it runs, its inputs and outputs.",
        "execute": "Run one on devices, at most once, journalled.",
        "executions": "Show the outcome of one on each device.",
    },
    "workflows": {
        "list": "List workflows.",
        "show": "Describe one, by NQL id or UUID.",
        "trigger": "Trigger one for devices, users or both, at most once, journalled.",
        "resume": "Resume an execution that waits for an event.",
        "executions": "Show the outcome of one.",
    },
    "campaigns": {
        "trigger": "Send one to users, at most once, journalled.",
        "responses": "Show their answers.",
    },
}


def build_app() -> App:
    """Return the app with all commands."""
    app = App(
        name="nxp",
        help="Move data between Nexthink and the rest of the company; act on devices and people.",
        version=_version,
        result_action="return_value",
        help_on_error=False,
        # Ctrl-C is answered here, with a message.
        suppress_keyboard_interrupt=False,
    )
    for name, text in COMMANDS.items():
        if name not in GROUPS:
            app.command(f"nxp.commands.{name}:{name}", name=name, help=text)
            continue
        group = App(name=name, help=text)
        for verb, verb_text in GROUPS[name].items():
            group.command(_path(name, verb), name=verb, help=verb_text)
        app.command(group)
    return app


def _path(group: str, verb: str) -> str:
    # A function must not have the name of a builtin.
    function = "list_" if verb == "list" else verb
    return f"nxp.commands.{group.replace('-', '_')}:{function}"


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return for each way to end
    """Run one command and return its exit code; every error is one line on stderr."""
    signal.signal(signal.SIGTERM, _terminate)
    if is_json_asked():
        write_json()
    try:
        result = build_app()(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        say_left()
    except CycloptsError as error:
        return _say(f"{_one_line(error)} (see nxp --help)", USAGE)
    except PipelineError as error:
        return _say(_one_line(error), error.exit_code)
    except KeyboardInterrupt:
        return _say(STOPPED, INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output is gone (`nxp runs | head`), which is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # The disk of the output is full, or a folder may not be read.
        where = f" ({error.filename})" if error.filename else ""
        return _say(f"the system refuses: {error.strerror or error}{where}", StorageError.exit_code)
    except SystemExit as stop:
        if stop.code == TERMINATED:
            return _say(STOPPED, TERMINATED)
        return stop.code if isinstance(stop.code, int) else BUG
    except BaseException as error:  # noqa: BLE001 - never a raw traceback; panics of Rust too
        return _report_bug(error)
    return result if isinstance(result, int) else 0


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


def _say(line: str, code: int) -> int:
    say(line if is_json_asked() else f"nxp: {line}", logging.ERROR)
    return code


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _report_bug(error: BaseException) -> int:
    """Report a bug without its message, which may hold data; NXP_DEBUG=1 shows everything."""
    if os.environ.get("NXP_DEBUG"):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119
    return _say(f"a bug: {where}; run again with NXP_DEBUG=1 for details and report it", BUG)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only for --version

    return version("nexthink-pipelines")
