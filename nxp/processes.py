"""Processes that go on after the command: started, known again by pid and start time, stopped."""

import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
# Two readings of one start time differ by less: it is counted from the boot, in ticks.
SAME_START_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Account:
    """The user to run a process as, instead of one's own."""

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
    """Start a process in a session of its own, which our end and our terminal do not end.

    Args:
        command: program and arguments.
        log: what it says is appended there, for its owner's eyes only.
        environ: all of its environment.
        output: a fresh file for stdout, if that is not to go to the log.
        account: whom it runs as, where that is somebody else.
        folder: where it runs; that other user need not be able to come there by itself.
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
    """Give when a process began, in seconds since 1970: with its pid, what knows it again."""
    return float(psutil.Process(pid).create_time())


def find(pid: int, started: float) -> psutil.Process | None:
    """Find a process again; None when it has ended, whoever has its pid now."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def stop(processes: Iterable[psutil.Process], *, seconds: float, leader: bool = False) -> None:
    """Ask processes to end, and end those that have not after some time.

    Args:
        processes: with all their children.
        seconds: how long they may take.
        leader: ask only these; they see to their children.
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


def answers(url: str) -> bool:
    """Say whether a server of this machine answers a request with success."""
    import httpx  # noqa: PLC0415 - 0.1 s, not for commands that start nothing

    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def free_port(count: int = 1) -> int:
    """Find a port of loopback that nobody listens on, the first of so many in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if all(is_free(port + more) for more in range(count)):
            return port


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        # A port that a server has just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
        return True
