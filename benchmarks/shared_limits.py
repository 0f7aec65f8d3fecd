"""What the limits shared by all processes cost one process.

Usage: python -m benchmarks.shared_limits [--ledger-url URL] [--calls N]. Prints the milliseconds
that one call waits at the gate and that an export's slot takes, with a SQLite file as the ledger or
with URL. The figures are in docs/scale.md.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import cyclopts

from connectors.clock import utc_now
from connectors.ledger import ExportLimits, ExportSlot, open_ledger
from connectors.ledger.gate import CallGate

AT_ONCE = ExportLimits(per_tenant=16, worker="benchmark")


def measure(*, ledger_url: str = "", calls: int = 1000) -> None:
    """Pass the gate CALLS times, and take a tenth as many slots."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(ledger_url or f"sqlite:///{Path(folder) / 'ledger.db'}", "bench.eu")
        gate = CallGate(
            ledger.limits,
            per_second=None,
            per_day=10**9,
            longest_wait=timedelta(0),
            clock=utc_now,
            sleep=time.sleep,
        )
        paced = CallGate(
            ledger.limits,
            per_second=1e6,
            per_day=10**9,
            longest_wait=timedelta(0),
            clock=utc_now,
            sleep=lambda _: None,
        )

        def place() -> None:
            lease = ledger.limits.take_slot(ExportSlot("d", "u"), "run", AT_ONCE)
            if lease is None:
                raise AssertionError
            with lease:
                pass

        _tell("a call", gate.enter, calls)
        _tell("a call, with a rate", paced.enter, calls // 10)
        _tell("an export's slot, taken and released", place, calls // 10)
        ledger.close()


def _tell(what: str, act: Callable[[], None], times: int) -> None:
    act()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    print(
        f"{what}: {statistics.fmean(taken):.2f} ms on average, at most {max(taken):.1f}", flush=True
    )


if __name__ == "__main__":
    cyclopts.run(measure)
