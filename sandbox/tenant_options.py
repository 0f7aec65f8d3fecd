"""The options of a tenant that the command line takes as they are: one field is one option."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOptions:
    """What `nxp sandbox` offers under the same name; the texts below the fields are its help."""

    port: int = 0
    """Of the API; login, results and ServiceNow take the next three."""
    devices: int = 500
    """Known ever; the oldest are past retention."""
    days: int = 14
    """Days of events up to now."""
    seed: int = 1
    """The same seed gives the same data."""
    time_zone: str = "UTC"
    """Of the tenant, an IANA name."""
    datetime_format: str = "local"
    """local, iso, utc, each also -ms; or a strftime pattern."""
    row_limit: int = 1_000_000
    """Exports beyond it are cut (206)."""
    execute_row_limit: int = 1000
    """Execute is cut there, silently."""
    token_ttl: float = 900.0
    """Seconds."""
    url_ttl: float = 900.0
    """Seconds."""
    export_time: float = 0.0
    """Seconds until an export is done."""
    latency: float = 0.0
    """Seconds added to every answer."""
    retention: int = 30
    """Days."""
    late_share: float = 0.0
    """Share of events that arrive late."""
    # Of execution and connection events.
    fine_retention: int | None = None
    """Days of high-resolution samples; 14, or all with --reach-limit off."""
    # `empty` is nothing at all; anything else is written as it is.
    null_form: str = "empty"
    """Null in CSV: empty, or a text."""
    boolean_form: str = "true/false"
    """true/false, True/False or 1/0."""
    # The specification of 2024 says 5000.
    enrichment_limit: int = 10_000
    """Objects in one request."""
    enrichment_delay: float = 0.0
    """Seconds until a value shows."""
    enrichment_takes_unknown: bool = False
    """Accept unknown objects and lose them."""
    # Only the published form of workflows refuses lists without both filters and requests
    # without both arrays.
    strict_workflows: bool = False
    """Refuse lists without both filters."""
