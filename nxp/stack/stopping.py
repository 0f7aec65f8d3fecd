"""Stopping the stack's parts and the processes they started."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

from connectors.settings.installation import load_settings
from nxp.output import say
from nxp.processes import stop
from nxp.stack.parts import MARK, POSTGRES, SANDBOX, SERVER, WORKER
from nxp.stack.record import Stack

STOP_SECONDS = 30


def down(stack: Stack) -> int:
    """Stop all parts, workers first; return how many leftover processes had to be searched for.

    The data stay.
    """
    for name in sorted(stack.begun, key=_stop_order):
        if stack.process(name):
            say(f"{name}: stopping")
        stop_part(stack, name)
    left = list(leftovers(stack))
    stop(left, seconds=STOP_SECONDS)
    return len(left)


def stop_part(stack: Stack, name: str) -> None:
    """Stop a part and the processes it started."""
    process = stack.process(name)
    if process and name == POSTGRES:
        # A fast shutdown: SIGTERM would wait until every client has gone.
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
    # A worker stops its flow runs by itself, and gives them time.
    leader = name.startswith(WORKER)
    seconds = load_settings().stop_seconds + STOP_SECONDS if leader else STOP_SECONDS
    stop([process] if process else [], seconds=seconds, leader=leader)
    stop(leftovers(stack, name), seconds=STOP_SECONDS)
    stack.forget(name)


def leftovers(stack: Stack, part: str | None = None) -> Iterator[psutil.Process]:
    """Yield the processes of a part, or of all, including those whose parent was killed."""
    begun = stack.begun.get(POSTGRES)
    # PostgreSQL overwrites its environment with titles: its processes are found by their session.
    session = begun.pid if begun and part in {POSTGRES, None} else None
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            mark = process.environ().get(MARK, "")
            folder, _, name = mark.rpartition(":")
            ours = folder == str(stack.folder) and part in {name, None}
            same = session is not None and begun is not None and os.getsid(process.pid) == session
            if ours or (same and process.name() == POSTGRES):
                yield process


def _stop_order(name: str) -> tuple[int, str]:
    order = (WORKER, SERVER, SANDBOX)
    place = [place for place, start in enumerate(order) if name.startswith(start)]
    last = len(order) + (name == POSTGRES)
    return (place[0] if place else last, name)
