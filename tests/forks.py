"""Processes of tests, forked from one that has done the imports, because those take seconds.

Run as a module this is that process. A request names the test module to run, with arguments,
environment and folder, and brings the streams. A keeper is forked first, which waits for the test's
process and reports its id and how it ended, because the caller is not its parent.
"""

import atexit
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

LIVES = (
    "act_once",
    "act_victim",
    "land_once",
    "migrate_once",
    "program_once",
    "publish_once",
    "replay_once",
    "share_once",
    "stage_once",
    "sync_once",
)
ROOT = Path(__file__).resolve().parents[1]
LONGEST_REQUEST = 1 << 20


class Forked(subprocess.Popen[str]):
    """A process that is forked, not started; `args` are a module of tests and its words."""

    def _execute_child(self, *given: Any) -> None:
        words, cwd, env, pipes = given[0], given[5], given[6], given[10:16]
        told, tell = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        request = {"words": words, "env": dict(env), "cwd": str(cwd or Path.cwd())}
        streams = [null if pipe == -1 else pipe for pipe in (pipes[0], pipes[3], pipes[5])]
        try:
            socket.send_fds(_server(), [json.dumps(request).encode()], [*streams, tell])
        finally:
            os.close(tell)
            os.close(null)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())
        self._child_created = True

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


def fork(module: str, *words: str, env: Mapping[str, str], **streams: Any) -> Forked:
    """Have a process live as a module of tests, with this environment and nothing else of it."""
    return Forked([module, *words], env=env, text=True, **streams)


@contextmanager
def forking() -> Iterator[None]:
    """End the process that forks, if there is one, and wait for all that it has forked."""
    yield
    if _server.cache_info().currsize:
        _server().close()
        _started().wait()


@cache
def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def _started() -> subprocess.Popen[bytes]:
    _, theirs = _pair()
    with theirs:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )


@cache
def _server() -> socket.socket:
    _started()
    return _pair()[0]


def main() -> NoReturn:
    """Fork for each request, until nobody can ask any more."""
    for name in (*(f"tests.{name}" for name in LIVES), "alembic.command"):
        importlib.import_module(name)
    gc.freeze()
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, streams, _, _ = socket.recv_fds(asked, LONGEST_REQUEST, 4)
        if not text:
            break
        if os.fork() == 0:
            asked.close()
            _keep(json.loads(text), streams)
        for stream in streams:
            os.close(stream)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    with suppress(ChildProcessError):
        while os.wait():
            pass
    # Tearing down frozen objects causes complaints, and takes a while.
    os._exit(0)


def _keep(request: dict[str, Any], streams: list[int]) -> NoReturn:
    *streams, tell = streams
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os._exit(_live(request, streams))
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    os.write(tell, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(tell, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _live(request: dict[str, Any], streams: list[int]) -> int:
    """Run the process to its end; return its exit code.

    It ends like any other, but does not tear down modules, which takes most of a second.
    """
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    module, *words = request["words"]
    sys.argv = [module, *words]
    # Or all would draw the same numbers.
    random.seed()
    signal.set_wakeup_fd(-1)
    code = 0
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
