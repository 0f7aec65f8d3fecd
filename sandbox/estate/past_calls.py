"""What other clients asked of the API before the sandbox started, for the log of queries."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import numpy as np

from sandbox.estate.chance import stream
from sandbox.estate.feed import LogEntry

_NIGHTLY = ("#reporting_devices", "#reporting_users", "#reporting_crashes")
_HELPDESK = "#helpdesk_device"
_HELPDESK_CALLS = 15
_ROWS = {"export": 40_000, "execute": 1}
_FAILURES = 0.03
_WEEKEND = 5


def past_calls(seed: int, days: int, started: datetime) -> Iterator[LogEntry]:
    """Yield the log of some days up to an instant: exports at night, executes by a help desk."""
    for back in range(days, -1, -1):
        day = started.astimezone(UTC).date() - timedelta(days=back)
        midnight = datetime.combine(day, time(), UTC)
        rng = stream(seed, "past calls", day.toordinal())
        made = [(midnight + timedelta(hours=2, minutes=5 * n), q) for n, q in enumerate(_NIGHTLY)]
        count = int(rng.poisson(_HELPDESK_CALLS)) if day.weekday() < _WEEKEND else 0
        working = np.sort(rng.integers(7 * 3600, 17 * 3600, count)).tolist()
        made += [(midnight + timedelta(seconds=second), _HELPDESK) for second in working]
        for moment, query_id in made:
            entry = _entry(rng, moment, query_id)
            if moment < started:
                yield entry


def _entry(rng: np.random.Generator, moment: datetime, query_id: str) -> LogEntry:
    kind = "execute" if query_id == _HELPDESK else "export"
    failed, share = rng.random(2)
    length = round(float(share) * (20.0 if kind == "export" else 0.4) + 0.05, 3)
    if failed < _FAILURES:
        return LogEntry(moment, query_id, kind, "failure", None, length, "the query took too long")
    rows = _ROWS[kind] if kind == "execute" else int(_ROWS[kind] * (0.5 + share / 2))
    return LogEntry(moment, query_id, kind, "success", rows, length)
