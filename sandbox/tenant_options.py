"""The tenant's options that are also options of the command line, one for each field."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOptions:
    """Options of `nxp sandbox` under the same names; the text below each field is its help."""

    port: int = 0
    """Port of the API; login, results and ServiceNow take the next three."""
    devices: int = 500
    """Devices ever known; the oldest are past retention."""
    days: int = 14
    """Days of events up to now."""
    seed: int = 1
    """The same seed gives the same data."""
    time_zone: str = "UTC"
    """Time zone of the tenant, an IANA name."""
    datetime_format: str = "local"
    """local, iso or utc, each also with -ms; or a strftime pattern."""
    row_limit: int = 1_000_000
    """Exports with more rows are truncated (206)."""
    execute_row_limit: int = 1000
    """Results of execute are silently truncated to it."""
    token_ttl: float = 900.0
    """Lifetime of a token in seconds."""
    url_ttl: float = 900.0
    """Lifetime of a result URL in seconds."""
    export_time: float = 0.0
    """Seconds until an export is done."""
    failed_word: str = "ERROR"
    """Status of an export that failed; FAILED was reported of some tenants."""
    submitted_word: str = "SUBMITTED"
    """Status of an export that has not begun; PENDING was reported."""
    progress_word: str = "IN_PROGRESS"
    """Status of an export under way; RUNNING was reported."""
    completed_word: str = "COMPLETED"
    """Status of an export that is done; COMPLETE was reported."""
    empty_result: str = "documented"
    """Execute without rows: documented, no-rows (no count), null-data, or neither."""
    bare_ids: bool = False
    """List remote actions and workflows by ids without #."""
    latency: float = 0.0
    """Seconds added to every answer."""
    daily_exports: int | None = None
    """Exports that may be started in 24 hours; more answer 429 with a date."""
    daily_executes: int | None = None
    """Queries that may be run at once in 24 hours; more answer 429 with a date."""
    daily_calls: int | None = None
    """Calls of the API of any kind in 24 hours; more answer 429 with a date."""
    retention: int = 30
    """Days that data are kept."""
    late_share: float = 0.0
    """Share of events that arrive late."""
    # Of execution and connection events.
    fine_retention: int | None = None
    """Days of high-resolution samples; 14, or all with --reach-limit off."""
    # `empty` writes nothing; any other text is written as it is.
    null_form: str = "empty"
    """What null is in CSV: empty, or a text."""
    boolean_form: str = "true/false"
    """What booleans are in CSV: true/false, True/False or 1/0."""
    # No published example compares an enumeration with a text.
    strict_enumerations: bool = False
    """Refuse words of enumerations in quotes."""
    malformed_status: int = 404
    """Status of an NQL request that is malformed: 404 or 400."""
    # One third party reads them; what the field is called is not published.
    mac_address_field: str = ""
    """Name of a field of devices with their MAC address."""
    # The specification of 2024 says 5000.
    enrichment_limit: int = 10_000
    """Maximum number of objects in one enrichment request."""
    enrichment_delay: float = 0.0
    """Seconds until an enriched value shows."""
    # No public source says which spellings of a name are one name.
    ignore_case: bool = False
    """Find named objects in any case: enrichment, and workflows by any id."""
    ignore_blanks: bool = False
    """Find named objects with blanks before or after their names."""
    ignore_nfc: bool = False
    """Find named objects whether accents are composed or not."""
    enrichment_takes_unknown: bool = False
    """Accept enrichment of unknown objects, and lose it."""
    edits: int = 0
    """Values that an administrator edits by hand after a client has written them."""
    edits_after: float = 0.0
    """Seconds until such a value is edited."""
    others_share: float = 0.0
    """Share of devices and users whose custom fields others have set from the start."""
    # Only the published form of workflows refuses lists without both filters and requests
    # without both arrays.
    strict_workflows: bool = False
    """Refuse lists of workflows without both filters."""
    # The specification: 100, "configurable per deployment".
    deletion_limit: int = 100
    """Maximum number of devices in one deletion."""
    deletion_time: float = 1.0
    """Seconds until a deleted device has left the inventory."""
    deletion_failure_share: float = 0.0
    """Share of devices whose deletion fails."""
