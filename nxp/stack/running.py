"""Starting the parts of the stack that do not run, and waiting until they answer."""

import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import psutil
from filelock import FileLock, Timeout

from connectors.errors import HeldError, StorageError, UnavailableError, UsageError
from connectors.settings.installation import Settings, prepare_home
from nxp.deployment import ENDS
from nxp.engine import MB, check_space
from nxp.interpreter import module_command
from nxp.output import say
from nxp.processes import free_port, is_free, start, stop
from nxp.stack import postgres
from nxp.stack.parts import (
    POOL,
    POSTGRES,
    SANDBOX,
    SANDBOX_PORTS,
    SERVER,
    WORKER,
    StackPart,
    client_environ,
    make_part,
    stages,
    worker_names,
)
from nxp.stack.record import Options, Stack, new_stack, read_stack
from nxp.stack.stopping import STOP_SECONDS, leftovers, stop_part

# A server's first start creates a hundred tables, possibly on a busy machine.
START_SECONDS = 180
DEPLOY_SECONDS = 300
# The databases, the write-ahead log, and a first day of data.
SPACE = 300 * MB
FULL = 4 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The state of a part: running, not answering, died, or stopped."""

    part: str
    state: str
    pid: int | None
    address: str
    log: Path


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Hold the stack, so that no other command changes it.

    Raises:
        HeldError: another command holds it.
    """
    lock = FileLock(prepare_home(settings) / "stack.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise HeldError("stack: another nxp stack command is running: wait for it") from None
    try:
        yield
    finally:
        lock.release()


def up(settings: Settings, wished: dict[str, object], choice: Sequence[str] = ()) -> Stack:
    """Start the parts that do not run, in order, and wait until each answers.

    Args:
        settings: of the installation.
        wished: the options that were given; the others stay as they were.
        choice: words of nxp deploy that choose what is deployed and activated.

    Raises:
        UnavailableError: a part did not start; the parts this call started are stopped again.
        UsageError: the options differ from those of a part that runs.
    """
    check_space(settings.home, SPACE, "the stack")
    stack = read_stack(settings) or new_stack(settings)
    stack.catalog = settings.catalog
    _choose(stack, wished)
    _stop_extra_workers(stack)
    _choose_ports(stack)
    began: list[str] = []
    try:
        for stage in stages(stack):
            _start_stage(stack, stage, began)
            if stage == (SERVER,):
                deploy(stack, choice, again=SERVER in began)
    except BaseException:
        # Also on Ctrl-C: a half-started stack would be in the way of the next attempt.
        if began:
            say(f"stack: stopping what was started: {', '.join(began)}")
        for name in reversed(began):
            stop_part(stack, name)
        raise
    return stack


def observe(stack: Stack) -> list[Seen]:
    """Return the state of each part the stack should have."""
    names = [name for stage in stages(stack) for name in stage]
    seen = []
    for name in names:
        part, process = make_part(stack, name), stack.process(name)
        state = "died" if name in stack.begun else "stopped"
        if process:
            state = "running" if part.is_ready() else "not answering"
        pid = process.pid if process else None
        log = log_of(stack, name)
        seen.append(Seen(part=name, state=state, pid=pid, address=part.address, log=log))
    return seen


def log_of(stack: Stack, part: str) -> Path:
    """Return the file a part writes its log to."""
    return stack.logs / f"{part}.log"


def deploy(stack: Stack, choice: Sequence[str], *, again: bool) -> None:
    """Deploy the pool and the deployments if files or choice have changed, or `again` is set.

    Raises:
        UnavailableError: deploying fails, or does not end.
        UsageError: the choice names what is not in the files.
    """
    files = [stack.catalog / name for name in ("prefect.yaml", "automations.yaml")]
    # Their schedules, and their names in forms.
    files += sorted(stack.catalog.glob("datasets/*.yaml"))
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    digest = hashlib.sha256(content).hexdigest()
    if not again and not choice and digest == stack.deployed:
        return
    log = log_of(stack, "deploy")
    say("deployments: applying them to the server …")
    code = _run_deploy(stack, choice, log)
    if code == UsageError.exit_code:
        raise UsageError(f"stack: nxp deploy refused the options: see {log}")
    if code:
        raise UnavailableError(f"stack: nxp deploy failed: see {log}")
    # With --only, the rest is still to be deployed.
    stack.deployed = digest if "--only" not in choice else ""
    stack.save()


def _run_deploy(stack: Stack, choice: Sequence[str], log: Path) -> int:
    """Run `nxp deploy`, show what it switches off, and return its exit code."""
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed words
            module_command("nxp", "deploy", "--pool", POOL, *choice),
            stdout=output,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=client_environ(stack, "deploy"),
            cwd=stack.catalog.parent,
            encoding="utf-8",
            errors="replace",
        )
        too_long = Timer(DEPLOY_SECONDS, process.kill)
        too_long.start()
        try:
            for line in process.stderr or ():
                output.write(line)
                if line.startswith((ENDS, "nxp: --")):
                    say(line.rstrip())
        finally:
            too_long.cancel()
            if process.poll() is None and sys.exc_info()[0]:
                process.kill()
        return process.wait()


def _choose(stack: Stack, wished: dict[str, object]) -> None:
    chosen = Options.model_validate(stack.options.model_dump() | wished)
    for part, names in ((SANDBOX, ("devices", "days", "sandbox")), (SERVER, ("port",))):
        changed = [name for name in names if getattr(chosen, name) != getattr(stack.options, name)]
        if changed and stack.process(part):
            raise UsageError(
                f"stack: the {part} runs with other options ({', '.join(changed)}): "
                "run nxp stack down first"
            )
    stack.options = chosen
    stack.save()


def _stop_extra_workers(stack: Stack) -> None:
    wanted = worker_names(stack)
    for name in [name for name in stack.begun if name.startswith(WORKER) and name not in wanted]:
        say(f"{name}: stopping")
        stop_part(stack, name)


def _choose_ports(stack: Stack) -> None:
    """Keep the ports used before; choose another only where nothing points to the old one yet.

    Raises:
        UnavailableError: another program has a port that the rest of the stack points to.
    """
    running = stack.runs()
    if stack.options.port and not stack.process(SERVER):
        stack.ports[SERVER] = stack.options.port
    for name in [name for stage in stages(stack) for name in stage]:
        if stack.process(name):
            continue
        count = SANDBOX_PORTS if name == SANDBOX else 1
        _end_leftovers(stack, name)
        port = stack.ports.get(name)
        if port and all(is_free(port + more) for more in range(count)):
            continue
        fixed = name == SERVER and stack.options.port is not None
        if port and (running or fixed):
            raise UnavailableError(
                f"stack: {name}: another program listens on its port {port}{_listener(port)}: "
                f"stop it, or {'choose another --port' if fixed else 'run nxp stack down'}"
            )
        stack.ports[name] = free_port(count)
    stack.save()


def _listener(port: int) -> str:
    """Return which program listens on a port, in brackets, or "" if the system does not say."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, pid {connection.pid})"
    return ""


def _end_leftovers(stack: Stack, name: str) -> None:
    """End the processes a killed part left; a worker's flow runs continue and end by themselves."""
    left = leftovers(stack, name)
    if not name.startswith(WORKER):
        stop(left, seconds=STOP_SECONDS)
        return
    for process in left:
        with contextlib.suppress(psutil.Error):
            # Killed, because on a signal to end Prefect's worker would end its flow runs at once.
            if {"worker", "start"} <= set(process.cmdline()):
                process.kill()
                process.wait(STOP_SECONDS)


def _start_stage(stack: Stack, names: Sequence[str], began: list[str]) -> None:
    waiting = []
    for name in names:
        if not stack.process(name):
            _start(stack, name)
            began.append(name)
            waiting.append(name)
        elif not make_part(stack, name).is_ready():
            waiting.append(name)
    deadline = time.monotonic() + START_SECONDS
    for name in names:
        part = make_part(stack, name)
        if name in waiting:
            _await(stack, part, deadline)
        say(f"{name}: {part.address}" + ("" if name in waiting else " (already running)"))
    if POSTGRES in names:
        postgres.make_databases(stack)
        stack.save()
        if SANDBOX in waiting:
            postgres.load_people(stack, stack.folder / "hr" / "hr.sql")


def _start(stack: Stack, name: str) -> None:
    if name == POSTGRES:
        postgres.prepare(stack)
    part = make_part(stack, name)
    process = start(
        part.command,
        log=log_of(stack, name),
        environ=part.environ,
        output=part.output,
        account=part.account,
        folder=part.folder,
    )
    stack.note(name, process.pid)


def _await(stack: Stack, part: StackPart, deadline: float) -> None:
    while not part.is_ready():
        log = log_of(stack, part.name)
        if not stack.process(part.name):
            if psutil.disk_usage(str(stack.folder)).free < FULL:
                raise StorageError(
                    f"stack: {part.name} did not start: the disk of {stack.folder} is full"
                )
            raise UnavailableError(
                f"stack: {part.name} did not start, its process ended: see {log}"
            )
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"stack: {part.name} does not answer at {part.address}: see {log}; "
                "nxp stack down stops it"
            )
        time.sleep(0.2)
