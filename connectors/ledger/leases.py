"""Who holds a unit: one lease per (tenant, dataset, unit), renewed while its holder is alive."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Self

from connectors.errors import HeldError

logger = logging.getLogger(__name__)

# Long enough that a process that swaps or waits for a slow ledger does not lose its lease, short
# enough that a lost machine's work is taken over soon.
LEASE_TIME = timedelta(minutes=2)
RENEWALS_PER_LEASE = 4


@dataclass(frozen=True, slots=True)
class Holder:
    """A run in a process: `host/pid/start/run/space`. A dead one in this space is recognized.

    Process ids are only valid within a space: each container has one, even under the same host
    name, and so has each boot of a machine.
    """

    host: str
    pid: int
    started: int
    run_id: str
    # Older versions wrote holders without it.
    space: str = ""

    @classmethod
    def of_this_process(cls, run_id: str) -> "Holder":
        """Return the holder for this process and a run."""
        import psutil  # noqa: PLC0415 - not for commands that hold nothing

        process = psutil.Process()
        started = int(process.create_time())
        return cls(socket.gethostname(), os.getpid(), started, run_id, process_space())

    @classmethod
    def parse(cls, text: str) -> "Holder":
        """Return a holder from its text in the ledger."""
        host, pid, started, run_id, *space = text.split("/")
        return cls(host, int(pid), int(started), run_id, "".join(space))

    def __str__(self) -> str:
        known = f"{self.host}/{self.pid}/{self.started}/{self.run_id}"
        return f"{known}/{self.space}" if self.space else known

    def is_near(self) -> bool:
        """Return whether its process id is valid here."""
        return (self.host, self.space) == (socket.gethostname(), process_space())

    def is_known_dead(self) -> bool:
        """Return whether the process is certainly gone; from another space nothing is certain."""
        if not self.is_near():
            return False
        import psutil  # noqa: PLC0415 - slow to load

        try:
            # An adjusted clock moves the start time a little, a reused pid moves it far.
            return abs(psutil.Process(self.pid).create_time() - self.started) > 2  # noqa: PLR2004 - seconds
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


@cache
def process_space() -> str:
    """Return the space in which this process's ids are valid, "" if the system does not say."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    return f"{namespace}-{boot}"


@dataclass
class Lease:
    """A held unit. Within `with`, a thread keeps calling `renew`."""

    unit: str
    holder: Holder
    renew: Callable[[], bool]
    give_back: Callable[[], None]
    interval: float
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._keep, name=f"lease {self.unit}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.give_back()

    def _keep(self) -> None:
        while not self._stop.wait(self.interval):
            try:
                renewed = self.renew()
            except Exception:  # noqa: BLE001 - the ledger may be away for a moment
                logger.warning("the lease on %s could not be renewed: trying again", self.unit)
                continue
            if not renewed:
                self._lost.set()
                return

    def check(self) -> None:
        """Raise unless the unit is still ours; called before anything is published.

        Raises:
            HeldError: another run has taken the unit over.
        """
        if self._lost.is_set() or not self.renew():
            raise HeldError(
                f"{self.unit}: the lease was lost to another run; nothing was published"
            )


def held_message(dataset: str, unit: str, holder: Holder, until: datetime) -> str:
    """Return the message that says who holds a unit and until when."""
    return (
        f"{dataset} {unit} is held by run {holder.run_id} (process {holder.pid} on {holder.host}) "
        f"until {until:%Y-%m-%d %H:%M:%SZ} at least: wait for it, or stop it"
    )
