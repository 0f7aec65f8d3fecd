"""A headless Chromium as a person uses it: keys, clicks, and what the page shows then.

It is spoken to by two pipes, in the browser's own protocol of tools.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)


class Browser:
    """One page of a browser. `problems` are what its console has complained about."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.problems: list[str] = []
        self._left = b""
        target = self("Target.createTarget", url="about:blank")["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and return its answer."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                answer: dict[str, Any] = said["result"]
                return answer

    def open(self, url: str) -> None:
        """Open a page, and wait until its scripts have run."""
        self._loaded = False
        self("Page.navigate", url=url)
        while not self._loaded:
            self._next()

    def value(self, script: str) -> Any:
        """Return what a script gives, after its promise if it is one."""
        answer = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys: characters, or names such as Enter and Tab."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27}
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = codes.get(key, ord(key[0].upper()))
            key_ = {"key": key, "windowsVirtualKeyCode": code}
            self("Input.dispatchKeyEvent", type="keyDown", text=text, **key_)
            self("Input.dispatchKeyEvent", type="keyUp", **key_)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            got = os.read(self._read, 1 << 16)
            assert got, "the browser has ended"
            self._left += got
        one, _, self._left = self._left.partition(b"\0")
        said: dict[str, Any] = json.loads(one)
        match said.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown" | "Log.entryAdded":
                self.problems.append(json.dumps(said["params"]))
        return said


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile, and end it; a test is skipped if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: nothing here was tried in a browser")
    theirs_read, ours_write = os.pipe()
    ours_read, theirs_write = os.pipe()
    # The browser reads from 3 and writes to 4, whatever numbers the pipes have here.
    script = f'exec "$@" 3<&{theirs_read} 4>&{theirs_write}'
    process = subprocess.Popen(
        ["bash", "-c", script, "browser", found, *OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(theirs_read, theirs_write),
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_read)
    os.close(theirs_write)
    try:
        yield Browser(ours_write, ours_read)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(ours_write)
        os.close(ours_read)
