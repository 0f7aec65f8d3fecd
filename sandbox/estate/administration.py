"""How the columns of alerts, of the audit log and of software metering are distributed.

All of it is invented; the columns of a row agree with one another.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate import catalogue
from sandbox.estate import metrics as m
from sandbox.estate.chance import at
from sandbox.estate.inventory import instants

_SECOND_US = 1_000_000
_WEEK_US = 7 * 86_400 * _SECOND_US
_OPEN_SHARE = 0.3
_LONGEST_HOURS = 6.0


def _lasting(facts: m.Facts) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return how many seconds an alert lasts, and whether it is still open: null seconds then.

    It depends on the alert only, so it is the same for each device that the alert is about.
    """
    share = (facts.start / _SECOND_US * 0.618033988749895 + facts.link * 0.7548776662466927) % 1.0
    is_open = share < _OPEN_SHARE
    seconds = 60 + (share - _OPEN_SHARE) / (1 - _OPEN_SHARE) * _LONGEST_HOURS * 3600
    return seconds.round().astype(np.int64), is_open


def _recovered(_: np.random.Generator, facts: m.Facts) -> pl.Series:
    seconds, is_open = _lasting(facts)
    return instants(facts.start + seconds * _SECOND_US, is_open)


def _duration(_: np.random.Generator, facts: m.Facts) -> pl.Series:
    seconds, is_open = _lasting(facts)
    frame = pl.DataFrame({"s": seconds.astype(np.float64), "open": is_open})
    return frame.select(pl.when(~pl.col("open")).then("s")).to_series()


def _status(_: np.random.Generator, facts: m.Facts) -> pl.Series:
    return at(("closed", "open"), _lasting(facts)[1].astype(np.int64))


_ALERT: Mapping[str, m.Maker] = {
    "time": m.start,
    "recovery_time": _recovered,
    "duration": _duration,
    "status": _status,
    "number_of_alerts": m.one(),
}
_IMPACT: Mapping[str, m.Maker] = {
    "time": m.start,
    "status": _status,
    "number_of_impacts": m.one(),
}


def _entry(facts: m.Facts) -> NDArray[np.int64]:
    """Return the number of each row's entry in the list of what accounts do."""
    return np.asarray(facts.start // 1000 % len(catalogue.AUDITED), dtype=np.int64)


_CODES = np.array([code for code, *_ in catalogue.AUDITED])
_AUDITED: Mapping[str, m.Maker] = {
    "time": m.start,
    "code": lambda _, facts: pl.Series(_CODES[_entry(facts)]),
    "message": lambda _, facts: at([text for *_, text in catalogue.AUDITED], _entry(facts)),
    "type": lambda _, facts: at([kind for _, kind, _ in catalogue.AUDITED], _entry(facts)),
    "status": m.word(("success", "failure"), (97, 3)),
    "user_name": m.word(catalogue.ADMINISTRATORS),
}

_METERS = [f"{name} licences" for name in catalogue.APPLICATIONS]
_METERS += [f"{name} licences" for name, *_ in catalogue.WEB_APPLICATIONS]


def _week_end(_: np.random.Generator, facts: m.Facts) -> pl.Series:
    return instants(facts.start + _WEEK_US)


_METERED: Mapping[str, m.Maker] = {
    "start_time": m.start,
    "end_time": _week_end,
    "meter.name": m.of_link(_METERS),
    "usage_duration": m.amount(14_000.0, 1.1),
    "number_of_licenses": m.per_link((50, 200, 120)),
}

ADMINISTRATION: Mapping[str, Mapping[str, m.Maker]] = {
    "alert.alerts": _ALERT,
    "alert.impacts": _IMPACT,
    "platform.audit_logs": _AUDITED,
    "software_metering.events": _METERED,
}
