"""The command line: names of commands, and how an error becomes one line and an exit code.

Commands are named by import path, so that `nxp --help` loads none of them.
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
STOPPED = "stopped; what had landed stays, the next run goes on from there"

COMMANDS = {
    "demo": "The whole story on the sandbox: export a snapshot and a window, look at them.",
    "sandbox": "Serve a stand-in tenant on this machine until stopped.",
    "server": "Keep one local Prefect server for repeated use: start, stop, status.",
    "stack": "All that a company runs, on this machine: up, down, status, env.",
    "worker": "Run a Prefect worker; told to stop, it lets its flow runs end first.",
    "export": "Export a dataset from Nexthink and land it in the lake.",
    "backfill": "Land the windows between two dates; goes on after any interruption.",
    "state": "What the ledger knows of a dataset: show, reset.",
    "datasets": "List the catalogue's datasets, or show one; --nql prints its saved query.",
    "maintain": "Drop what of a dataset is past its retention, and delete what was replaced.",
    "runs": "List runs, newest first.",
    "sql": "Query what landed, with DuckDB, read-only.",
    "nql": "Saved queries to paste; the raw NQL operations execute, export, status, download.",
    "remote-actions": "The raw operations on remote actions: list, show, execute, executions.",
    "workflows": "The raw operations on workflows: list, show, trigger, resume, executions.",
    "campaigns": "The raw operations on campaigns: trigger, responses.",
    "plan": "Plan a sync: what would be sent to Nexthink, with counts, guards and samples.",
    "apply": "Send exactly what a plan of a sync says.",
    "sync": "Plan and apply a sync under its guards, and read back.",
    "retry": "Send what of a sync is open, unknown or rejected once more.",
    "act": "Actions of the catalogue: plan, approve, run, status, resolve.",
    "enrich": "Send one enrichment request as given, and say what became of its objects.",
    "schema": "Learn a dataset's columns and types from what its query returns.",
    "rejects": "List rejected rows by run, unit and reason; --raw also shows their text.",
    "replay": "Land the rejected rows of a run that fit now, after the dataset was mended.",
    "check": "Validate settings and catalogue; --connect also takes a token.",
    "deploy": "Bring the Prefect server to what deployments/*.yaml say.",
    "doctor": "Look for what is wrong: server, workers, ledger, lake, tenant, clock, deployments.",
}
GROUPS = {
    "server": {
        "start": "Start the server unless it runs; prints its API URL.",
        "stop": "Stop it.",
        "status": "Say whether it runs, and where.",
    },
    "stack": {
        "up": "Start what does not run: PostgreSQL, Prefect, workers, S3, the sandbox.",
        "down": "Stop all of it; data stay.",
        "status": "How each part is.",
        "env": "Print the variables that point a shell at it, as exports.",
    },
    "state": {
        "show": "Show watermark, windows by state, and what is under way.",
        "reset": "Forget watermark and failures; what has landed stays.",
    },
    "schema": {
        "learn": "Export once, prove the types over all rows, write the dataset's YAML.",
    },
    "act": {
        "plan": "Say who would be acted on, and who is left out; nothing is sent.",
        "approve": "Agree to a plan, or decline it.",
        "run": "Send an approved plan, wait, and say what became of it.",
        "status": "What was planned and sent, and what became of it.",
        "resolve": "Say whether a request of which nobody knows was sent.",
    },
    "nql": {
        "queries": "List the catalogue's saved queries, or print one to paste into Nexthink.",
        "execute": "Run a saved query and print its rows (1,000 at most).",
        "export": "Start an export; prints its id.",
        "status": "Ask how far an export is.",
        "download": "Write an export's result to a file, decompressed and complete.",
    },
    "remote-actions": {
        "list": "List remote actions.",
        "show": "Describe one: where it runs, its inputs and outputs.",
        "execute": "Run one on devices, at most once, journalled.",
        "executions": "What became of one on each device.",
    },
    "workflows": {
        "list": "List workflows.",
        "show": "Describe one, by NQL id or UUID.",
        "trigger": "Trigger one for devices, users or both, at most once, journalled.",
        "resume": "Tell an execution that waits for an event to go on.",
        "executions": "What became of one.",
    },
    "campaigns": {
        "trigger": "Send one to users, at most once, journalled.",
        "responses": "What they answered.",
    },
}


def build_app() -> App:
    """Name all commands."""
    app = App(
        name="nxp",
        help="Move data between Nexthink and the rest of the company; act on devices and people.",
        version=_version,
        result_action="return_value",
        help_on_error=False,
        # Ctrl-C is ours to answer, in words.
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
    # A function may not have the name of a builtin.
    function = "list_" if verb == "list" else verb
    return f"nxp.commands.{group.replace('-', '_')}:{function}"


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return for each way to end
    """Run one command and give the exit code; every error is one line on stderr."""
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
        # The reader of our output is gone (`nxp runs | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A disk that is full under our output, a folder that may not be read.
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
    """Name a bug without its message, which may hold data; NXP_DEBUG=1 shows everything."""
    if os.environ.get("NXP_DEBUG"):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119
    return _say(f"a bug: {where}; run again with NXP_DEBUG=1 for details and report it", BUG)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only for --version

    return version("nexthink-pipelines")
