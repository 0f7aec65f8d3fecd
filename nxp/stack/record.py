"""The record of a stack between commands, readable by its owner only.

It holds options, ports, secrets and process ids.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, Field, ValidationError

from connectors.errors import ConfigurationError
from connectors.settings.installation import Settings
from nxp.processes import find, started_at

FILE = "stack.json"
DATABASES = ("prefect", "ledger", "landing", "hr")


class Options(BaseModel, frozen=True):
    """What the stack consists of."""

    workers: int = Field(default=2, ge=0, le=32)
    # Flow runs of one worker at a time. Each is a process, and one that waits for approval still
    # occupies its slot.
    worker_limit: int = Field(default=4, ge=1, le=64)
    port: int | None = Field(default=None, ge=1, le=65535)
    devices: int = Field(default=500, ge=1)
    days: int = Field(default=14, ge=1)
    sandbox: tuple[str, ...] = ()


class Begun(BaseModel, frozen=True):
    """A process that was started, with what identifies it later."""

    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """Return the process, or None if it has ended."""
        return find(self.pid, self.started)


class Secrets(BaseModel, frozen=True):
    """Made once for each stack."""

    postgres: str = Field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # What the pages of Prefect ask for, and all its clients send.
    api: str = Field(default_factory=lambda: f"nxp:{secrets.token_urlsafe(24)}", repr=False)
    object_store: str = Field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Stack(BaseModel):
    """One stack, in a folder of NXP_HOME."""

    folder: Path
    home: Path
    catalog: Path
    options: Options = Options()
    secrets: Secrets = Field(default_factory=Secrets)
    ports: dict[str, int] = {}
    # What the sandbox printed when it was ready.
    tenant: dict[str, Any] = Field(default={}, repr=False)
    begun: dict[str, Begun] = {}
    deployed: str = ""

    @property
    def logs(self) -> Path:
        """The folder of the parts' logs."""
        return self.folder / "logs"

    def process(self, part: str) -> psutil.Process | None:
        """Return a part's process, or None if it has ended or was never started."""
        begun = self.begun.get(part)
        return begun.find() if begun else None

    def runs(self) -> bool:
        """Return whether any part runs."""
        return any(begun.find() for begun in self.begun.values())

    def note(self, part: str, pid: int) -> None:
        """Record the process of a part."""
        self.begun[part] = Begun(pid=pid, started=started_at(pid))
        self.save()

    def forget(self, part: str) -> None:
        """Remove a stopped part from the record."""
        self.begun.pop(part, None)
        self.save()

    def save(self) -> None:
        """Write the record atomically."""
        fresh = self.folder / f"{FILE}.new"
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self.model_dump(mode="json"), indent=1), "utf-8")
        os.replace(fresh, self.folder / FILE)  # noqa: PTH105 - in one step


def read_stack(settings: Settings) -> Stack | None:
    """Return the record of this installation's stack, or None if there is none.

    Raises:
        ConfigurationError: the file is not such a record.
    """
    path = settings.home / "stack" / FILE
    try:
        stack = Stack.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError):
        raise ConfigurationError(
            f"{path} cannot be read: stop the processes it named, delete it, and start again"
        ) from None
    # The folder may have been moved since the record was written.
    stack.folder, stack.home = path.parent, settings.home
    return stack


def new_stack(settings: Settings) -> Stack:
    """Create the folder and the secrets of a stack."""
    folder = settings.home / "stack"
    stack = Stack(folder=folder, home=settings.home, catalog=settings.catalog)
    for path in (folder, stack.logs, folder / "hr"):
        path.mkdir(mode=0o700, exist_ok=True)
    stack.save()
    return stack
