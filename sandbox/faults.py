"""Faults on demand: which requests go wrong, and how. `web.faulty` puts them on the wire.

A fault is written `KIND@ROUTE`, `KIND@ROUTE:COUNT` (the first COUNT requests of the route) or
`KIND@ROUTE:PERCENT%` (that share, drawn from the seed); without a suffix it hits every request of
the route. If a route has several faults, the first that still applies is used, so counted ones
follow each other: `503@status:2` and `reset@status:1` are two 503 and then a reset.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

STATUSES = ("401", "403", "404", "429-seconds", "429-date", "429-iso", "500", "502", "503")
# An aborted connection; a body that ends early; a request that has its effect and no answer.
BREAKS = ("reset", "cut", "timeout-after")
KINDS = (*STATUSES, *BREAKS)
# Outside the specification: a refusal of what nothing is wrong with; with status 200, a page of XML
# or HTML, from something between the client and the tenant.
PAGE = "page"
ODD = ("400", PAGE)
# Refusals of the content, which only enrichment has: of each object, of every second object.
REFUSALS = ("400-objects", "207")
# `act` is every route that acts on devices and people, `list` reads what can be triggered.
ROUTES = ("token", "execute", "export", "status", "download", "enrich", "act", "list")

_FORM = re.compile(r"([^@:%]+)@([^@:%]+)(?::(\d{1,9})|:(\d{1,3}(?:\.\d+)?)%)?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure on one route: `count` times, for a share of requests, or always."""

    kind: str
    route: str
    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Return the fault a text describes; raise ValueError if a part of it is unknown."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            form = "KIND@ROUTE, KIND@ROUTE:COUNT or KIND@ROUTE:PERCENT%"
            raise ValueError(f"fault {text!r} is not of the form {form}")
        kind, route, count, percent = match.groups()
        kinds = (*KINDS, *ODD, *REFUSALS)
        for word, known, name in ((kind, kinds, "kind"), (route, ROUTES, "route")):
            if word not in known:
                raise ValueError(
                    f"fault {text!r}: {name} {word!r} is unknown; known are {', '.join(known)}"
                )
        if kind in REFUSALS and route != "enrich":
            raise ValueError(f"fault {text!r}: only the route enrich answers {kind}")
        if percent is not None and float(percent) > 100:  # noqa: PLR2004 - a percentage
            raise ValueError(f"fault {text!r}: more than 100 percent")
        return cls(kind, route, int(count) if count else None, float(percent) if percent else None)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        if self.count is not None:
            return f"{self.kind}@{self.route}:{self.count}"
        share = "" if self.percent is None else f":{self.percent:g}%"
        return f"{self.kind}@{self.route}{share}"


class Faults:
    """The faults of a tenant; they may be changed while it serves."""

    def __init__(
        self,
        seed: int,
        faults: Iterable[str | Fault] = (),
        *,
        retry_after: float = 1.0,
        delay: float = 0.0,
    ) -> None:
        """Start with some faults; `retry_after` and `delay` may be set at any time.

        Args:
            seed: decides which requests a share hits.
            faults: as `add` takes them.
            retry_after: seconds that a 429 asks the client to wait.
            delay: seconds between the effect of a `timeout-after` and the loss of its connection.
        """
        self.retry_after = retry_after
        self.delay = delay
        # How often each fault has hit, by its text.
        self.struck: Counter[str] = Counter()
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self.add(*faults)

    def add(self, *faults: str | Fault) -> None:
        """Add faults, effective from now on, after the existing ones."""
        read = [each if isinstance(each, Fault) else Fault.parse(each) for each in faults]
        with self._lock:
            for each in read:
                self._rules.append(_Rule(each, f"{self._seed} {each} {len(self._rules)}"))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._rules.clear()

    def strike(self, route: str) -> Fault | None:
        """Return the fault that hits the next request of a route, or None."""
        with self._lock:
            # Every rule sees every request, so shares do not depend on each other.
            due = [rule for rule in self._rules if rule.fault.route == route and rule.is_due()]
            if not due:
                return None
            due[0].struck += 1
            self.struck[str(due[0].fault)] += 1
            return due[0].fault


class _Rule:
    """One fault and how often it has hit."""

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.struck = 0
        self._random = random.Random(seed)

    def is_due(self) -> bool:
        if self.fault.percent is not None:
            return self._random.random() * 100 < self.fault.percent
        return self.fault.count is None or self.struck < self.fault.count
