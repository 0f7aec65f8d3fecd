"""Processes that outlive the command: started, found again by pid and start time, stopped."""

import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
# Two readings of one start time differ by less than this: it is counted in ticks from the boot.
SAME_START_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Account:
    """The user to run a process as, instead of the current one."""

    uid: int
    gid: int


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    environ: Mapping[str, str],
    output: Path | None = None,
    account: Account | None = None,
    folder: Path | None = None,
) -> psutil.Popen:
    """Start a process in a session of its own, so that it survives us and our terminal.

    Args:
        command: program and arguments.
        log: its output is appended there; only the owner may read the file.
        environ: its whole environment.
        output: a new file for stdout, instead of the log.
        account: the user it runs as, if not the current one.
        folder: where it runs; that user need not have access to the folders above.
    """
    log.touch(mode=0o600)
    errors = log.open("ab")
    try:
        if output is not None:
            output.unlink(missing_ok=True)
            output.touch(mode=0o600)
        written = errors if output is None else output.open("wb")
        with written:
            return psutil.Popen(
                [str(word) for word in command],
                stdout=written,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env=dict(environ),
                start_new_session=True,
                cwd=folder,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    finally:
        errors.close()


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since 1970; with the pid this identifies it."""
    return float(psutil.Process(pid).create_time())


def find(pid: int, started: float) -> psutil.Process | None:
    """Return a process, or None if it has ended, even if another process has its pid now."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def stop(processes: Iterable[psutil.Process], *, seconds: float, leader: bool = False) -> None:
    """Ask processes and all their children to end, and kill those that have not after a time.

    Args:
        processes: to stop.
        seconds: how long they may take.
        leader: ask only these processes; they stop their children themselves.
    """
    asked = list(processes)
    family = {process.pid: process for process in asked}
    for process in asked:
        try:
            family |= {child.pid: child for child in process.children(recursive=True)}
        except psutil.Error:
            continue
    for process in asked if leader else family.values():
        try:
            process.terminate()
        except psutil.Error:
            continue
    _, left = psutil.wait_procs(list(family.values()), timeout=seconds)
    for survivor in left:
        try:
            survivor.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(left, timeout=seconds)


def is_answering(url: str) -> bool:
    """Return whether a server on this machine answers a request with success."""
    import httpx  # noqa: PLC0415 - 0.1 s, not for commands that start nothing

    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def free_port(count: int = 1) -> int:
    """Return a free port of loopback, the first of `count` free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if all(is_free(port + more) for more in range(count)):
            return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port of loopback."""
    with socket.socket() as probe:
        # With this option, a port that a server has just left counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
        return True
