"""Starting what of the stack does not run, and seeing that it answers."""

import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from connectors.errors import HeldError, StorageError, UnavailableError, UsageError
from connectors.settings.installation import Settings, prepare_home
from nxp.engine import MB, check_space
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
    Part,
    check_installed,
    client_environ,
    make_part,
    stages,
    worker_names,
)
from nxp.stack.record import Options, Stack, new_stack, read_stack
from nxp.stack.stopping import STOP_SECONDS, leftovers, stop_part

# The first start of a server on a new database makes a hundred tables, on a busy machine.
START_SECONDS = 180
DEPLOY_SECONDS = 300
# The databases, the write-ahead log, and a first day of data.
SPACE = 300 * MB
FULL = 4 * MB


@dataclass(frozen=True, slots=True)
class Seen:
    """How a part is: running, not answering, died, or stopped."""

    part: str
    state: str
    pid: int | None
    address: str
    log: Path


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Exclude other commands on the stack.

    Raises:
        HeldError: one is at work.
    """
    lock = FileLock(prepare_home(settings) / "stack.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise HeldError("stack: another nxp stack is at work here: wait for it") from None
    try:
        yield
    finally:
        lock.release()


def up(settings: Settings, wished: dict[str, object]) -> Stack:
    """Start what does not run, in order, and wait until each part answers.

    Args:
        settings: of the installation.
        wished: options that were given; the others stay as they were.

    Raises:
        UnavailableError: a part did not start; what this call began is stopped again.
        UsageError: other options than those of a part that runs.
    """
    check_installed()
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
                deploy(stack, anew=SERVER in began)
    except BaseException:
        # Also on Ctrl-C: what is half there would be in the way of the next try.
        if began:
            say(f"stack: stopping what was begun: {', '.join(began)}")
        for name in reversed(began):
            stop_part(stack, name)
        raise
    return stack


def observe(stack: Stack) -> list[Seen]:
    """Look at all parts that are to be there."""
    names = [name for stage in stages(stack) for name in stage]
    seen = []
    for name in names:
        part, process = make_part(stack, name), stack.process(name)
        state = "died" if name in stack.begun else "stopped"
        if process:
            state = "running" if part.is_ready() else "not answering"
        pid = process.pid if process else None
        seen.append(Seen(name, state, pid, part.address, log_of(stack, name)))
    return seen


def log_of(stack: Stack, part: str) -> Path:
    """Name the file that a part writes to."""
    return stack.logs / f"{part}.log"


def deploy(stack: Stack, *, anew: bool) -> None:
    """Bring the work pool and the deployments to the server, where they may have changed.

    Raises:
        UnavailableError: the server does not take them.
    """
    files = [stack.catalog / name for name in ("prefect.yaml", "automations.yaml")]
    said = b"".join(file.read_bytes() for file in files if file.is_file())
    digest = hashlib.sha256(said).hexdigest()
    if not anew and digest == stack.deployed:
        return
    log = log_of(stack, "deploy")
    say("deployments: bringing them to the server …")
    with log.open("ab") as output:
        ended = subprocess.run(  # noqa: S603 - our own interpreter, fixed words
            [sys.executable, "-m", "nxp", "deploy", "--pool", POOL],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=client_environ(stack, "deploy"),
            cwd=stack.catalog.parent,
            timeout=DEPLOY_SECONDS,
            check=False,
        )
    if ended.returncode:
        raise UnavailableError(f"stack: the deployments were not taken: see {log}")
    stack.deployed = digest
    stack.save()


def _choose(stack: Stack, wished: dict[str, object]) -> None:
    chosen = Options.model_validate(stack.options.model_dump() | wished)
    for part, names in ((SANDBOX, ("devices", "days", "sandbox")), (SERVER, ("port",))):
        changed = [name for name in names if getattr(chosen, name) != getattr(stack.options, name)]
        if changed and stack.process(part):
            raise UsageError(
                f"stack: the {part} runs with other options ({', '.join(changed)}): "
                "nxp stack down first"
            )
    stack.options = chosen
    stack.save()


def _stop_extra_workers(stack: Stack) -> None:
    wanted = worker_names(stack)
    for name in [name for name in stack.begun if name.startswith(WORKER) and name not in wanted]:
        say(f"{name}: stopping")
        stop_part(stack, name)


def _choose_ports(stack: Stack) -> None:
    """Keep the ports that were used before; others only where nothing points to them yet.

    Raises:
        UnavailableError: somebody else has a port that the rest of the stack is pointed at.
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
                f"stack: {name}: somebody else listens on its port {port}{_listener(port)}: "
                f"stop that{', or choose another --port' if fixed else ', or nxp stack down'}"
            )
        stack.ports[name] = free_port(count)
    stack.save()


def _listener(port: int) -> str:
    """Say who listens on a port, where the system tells."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, pid {connection.pid})"
    return ""


def _end_leftovers(stack: Stack, name: str) -> None:
    """End what a killed part has left; a worker's flow runs go on, and end by themselves."""
    left = leftovers(stack, name)
    if not name.startswith(WORKER):
        stop(left, seconds=STOP_SECONDS)
        return
    for process in left:
        with contextlib.suppress(psutil.Error):
            # Told to end, Prefect's worker would end its flow runs at once.
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
        say(f"{name}: {part.address}" + ("" if name in waiting else " (ran already)"))
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


def _await(stack: Stack, part: Part, deadline: float) -> None:
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
                "nxp stack down ends it"
            )
        time.sleep(0.2)
