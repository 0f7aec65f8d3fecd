"""What shapes the ServiceNow instance. Light to import, like the tenant's own options."""

import hashlib
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

LONGEST_SECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNowOptions:
    """Its credentials, limits and habits.

    Attributes:
        user: Account of the reader.
        password: Of the reader; made from the seed.
        client_id: Of the OAuth client; made from the seed.
        client_secret: Of the OAuth client; made from the seed.
        token_ttl: Seconds.
        rate_limit: Requests in one window, then 429; none is no limit.
        rate_window: Seconds.
        hidden_share: Share of rows that access rules hide: pages are short.
        denied_tables: Tables answered with 403.
        change_every: Rows change after so many answered lists; 0 is never.
        change_rows: How many rows change each time.
        invalid_query_returns_no_rows: An invalid query finds nothing, instead of everything.
        time_zone: Of display values and of dates computed in queries.
    """

    user: str = "svc.reader"
    password: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    # Seconds; a real instance says 1799 of a fresh token.
    token_ttl: float = 1800.0
    # Requests of one user in one window; None is no limit. Real rules count by the hour.
    rate_limit: int | None = None
    rate_window: float = 3600.0
    # The share of rows that access rules keep from the reader.
    hidden_share: float = 0.0
    # Tables that the reader may not read at all.
    denied_tables: tuple[str, ...] = ()
    # Rows change after every so many answered lists; 0 is never.
    change_every: int = 0
    change_rows: int = 10
    # The setting glide.invalid_query.returns_no_rows of real instances.
    invalid_query_returns_no_rows: bool = False
    # Of the reader: display values and dates computed in queries are in it.
    time_zone: str = "Europe/Zurich"

    def problems(self) -> list[str]:
        """List what cannot be served; the tenant's options refuse it with their own problems."""
        return _problems(self)

    def resolved(self, seed: int) -> "ServiceNowOptions":
        """Return the options with the generated credentials filled in."""
        return replace(
            self,
            password=self.password or _derived(seed, "password"),
            client_id=self.client_id or _derived(seed, "client"),
            client_secret=self.client_secret or _derived(seed, "secret"),
        )


def _derived(seed: int, purpose: str) -> str:
    text = f"servicenow sandbox {seed} {purpose}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _problems(options: ServiceNowOptions) -> list[str]:
    problems: list[str] = []
    if not options.user or ":" in options.user:
        problems.append(f"servicenow user {options.user!r} cannot be sent by basic authentication")
    if not 0 <= options.hidden_share <= 1:
        problems.append("servicenow hidden_share is not between 0 and 1")
    if options.rate_limit is not None and options.rate_limit < 1:
        problems.append("servicenow rate_limit is less than 1")
    problems += [
        f"servicenow {name} is not between 0 and {LONGEST_SECONDS:,}"
        for name in ("token_ttl", "rate_window")
        if not 0 < getattr(options, name) <= LONGEST_SECONDS
    ]
    problems += [
        f"servicenow {name} is below 0"
        for name in ("change_every", "change_rows")
        if getattr(options, name) < 0
    ]
    try:
        ZoneInfo(options.time_zone)
    except (KeyError, ValueError, OSError):
        problems.append(f"servicenow time_zone {options.time_zone!r} is not an IANA zone")
    return problems
