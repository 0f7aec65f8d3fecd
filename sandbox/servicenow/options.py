"""The options of the ServiceNow instance. Light to import, like the tenant's own."""

import hashlib
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

LONGEST_SECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNowOptions:
    """Its credentials, limits and behaviour; the text below each field is its help."""

    user: str = "svc.reader"
    """Account of the reader."""
    password: str = field(default="", repr=False)
    """Password of the reader; by default derived from the seed."""
    client_id: str = ""
    """Id of the OAuth client; by default derived from the seed."""
    client_secret: str = field(default="", repr=False)
    """Secret of the OAuth client; by default derived from the seed."""
    # A real instance answers 1799 for a new token.
    token_ttl: float = 1800.0
    """Lifetime of a token in seconds."""
    # Real rules count a user's requests by the hour.
    rate_limit: int | None = None
    """Requests in one window, then 429; without it, there is no limit."""
    rate_window: float = 3600.0
    """Length of a window in seconds."""
    hidden_share: float = 0.0
    """Share of rows that access rules hide: pages are short."""
    denied_tables: tuple[str, ...] = ()
    """Tables answered with 403."""
    change_every: int = 0
    """Rows change after this many answered lists; 0: never."""
    change_rows: int = 10
    """How many rows change each time."""
    # The setting glide.invalid_query.returns_no_rows of real instances.
    invalid_query_returns_no_rows: bool = False
    """An invalid query finds nothing, instead of everything."""
    time_zone: str = "Europe/Zurich"
    """Time zone of the reader, for display values and dates computed in queries."""

    def problems(self) -> list[str]:
        """Return what is invalid; the tenant's options report it with their own problems."""
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
