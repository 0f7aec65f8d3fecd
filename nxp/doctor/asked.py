"""What the tenant was asked in the last 24 hours, and what it does not take at present."""

from collections.abc import Iterator

from connectors.ledger import CallKind, Ledger
from connectors.ledger.counters import ADVISED, NAMES
from nxp.doctor.finding import Finding, ok, warn

CHECK = "limits"


def look_at_limits(ledger: Ledger) -> Iterator[Finding]:
    """Yield what was counted, and a warning for each kind of request that has to wait."""
    counted = ", ".join(f"{ledger.limits.made(kind):,} {_named(ledger, kind)}" for kind in CallKind)
    yield ok(CHECK, f"in the last 24 hours: {counted}")
    waits = ledger.limits.waits()
    for kind, until in waits.items():
        if kind is CallKind.CALLS or until != waits.get(CallKind.CALLS):
            yield warn(
                CHECK,
                f"the tenant takes no more {NAMES[kind]} until {until:%Y-%m-%d %H:%MZ}",
                do="wait; see docs/scaling.md for who gets the rest of a limit",
            )


def _named(ledger: Ledger, kind: CallKind) -> str:
    known = ledger.limits.known(kind)
    if known is not None:
        return f"{NAMES[kind]} (the tenant takes {known:,})"
    advised = ADVISED.get(kind)
    return f"{NAMES[kind]} (advised: under {advised:,})" if advised else NAMES[kind]
