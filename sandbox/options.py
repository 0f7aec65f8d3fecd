"""What a sandbox tenant is made of. Light to import: the command line reads it for its help."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sandbox.actions.options import ActingOptions
from sandbox.faults import Fault
from sandbox.servicenow.options import ServiceNowOptions
from sandbox.tenant_options import TenantOptions

PERMISSIONS = frozenset(
    {
        "nql",
        "remote_actions",
        "enrichment",
        "data_management",
        "workflows",
        "campaigns",
        "spark",
    }
)

# The keys are values of --datetime-format; any value that contains a % is a strftime format.
DATETIME_FORMATS = {
    "local": "%Y-%m-%d %H:%M:%S",
    "local-ms": "%Y-%m-%d %H:%M:%S%.3f",
    "iso": "%Y-%m-%dT%H:%M:%S%:z",
    "iso-ms": "%Y-%m-%dT%H:%M:%S%.3f%:z",
    "utc": "%Y-%m-%dT%H:%M:%SZ",
    "utc-ms": "%Y-%m-%dT%H:%M:%S%.3fZ",
}

# How booleans are written in CSV: the vendor does not say.
BOOLEAN_FORMS = {
    "true/false": ("true", "false"),
    "True/False": ("True", "False"),
    "1/0": ("1", "0"),
}
# Kinds of object that may have custom fields.
CUSTOMISABLE = frozenset({"device", "user", "binary", "package"})
# The vendor's limit for custom fields that are filled by hand or by the API.
MOST_CUSTOM_FIELDS = 100
DEFAULT_CUSTOM_FIELDS = (
    ("device", "asset_owner"),
    ("device", "asset_tag"),
    ("device", "business_service"),
    ("device", "cost_center"),
    ("device", "criticality"),
    ("device", "lifecycle_status"),
    ("device", "location_code"),
    ("device", "support_group"),
    ("device", "warranty_end"),
    ("user", "cost_center"),
    ("user", "employee_id"),
    ("user", "employment_status"),
    ("user", "manager"),
    ("user", "vip"),
    ("user", "organization.#division"),
    ("user", "organization.#team"),
    ("binary", "license_owner"),
    ("package", "license_owner"),
)
_CUSTOM_FIELD = re.compile(r"(?:organization\.#|#)?[a-z_][a-z0-9_]*")

_FIELD = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")
MALFORMED_STATUSES = (404, 400)
EMPTY_RESULTS = ("documented", "no-rows", "null-data", "neither")

# Ten years: with more, dates leave the supported range.
_LONGEST_DAYS = 3650
_LONGEST_SECONDS = 1_000_000_000
FIRST_YEAR, LAST_YEAR = 2000, 2100
FINE_DAYS = 14
# The range of each number; four consecutive ports are used.
BOUNDS: dict[str, tuple[int, int]] = {
    "port": (0, 65_532),
    "devices": (1, 10_000_000),
    "days": (1, _LONGEST_DAYS),
    "retention": (1, _LONGEST_DAYS),
    "fine_retention": (1, _LONGEST_DAYS),
    "row_limit": (1, 1_000_000_000),
    "execute_row_limit": (1, 1_000_000_000),
    "token_ttl": (0, _LONGEST_SECONDS),
    "url_ttl": (0, _LONGEST_SECONDS),
    "export_time": (0, _LONGEST_SECONDS),
    "latency": (0, 3600),
    "late_share": (0, 1),
    "daily_exports": (1, 1_000_000_000),
    "daily_executes": (1, 1_000_000_000),
    "daily_calls": (1, 1_000_000_000),
    "enrichment_limit": (1, 1_000_000),
    "enrichment_delay": (0, _LONGEST_SECONDS),
    "deletion_limit": (1, 1_000_000),
    "deletion_time": (0, _LONGEST_SECONDS),
    "deletion_failure_share": (0, 1),
    "edits": (0, 1_000_000_000),
    "edits_after": (0, _LONGEST_SECONDS),
    "others_share": (0, 1),
    "fault_retry_after": (0, _LONGEST_SECONDS),
    "fault_delay": (0, 3600),
}

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(min|h|d)")
_SPAN_SECONDS = {"min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Credential:
    """One API credential and the permission boxes ticked for it."""

    client_id: str
    client_secret: str = field(repr=False)
    permissions: frozenset[str] = PERMISSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions(TenantOptions):
    """Everything that shapes the tenant; the same options and seed give the same data."""

    queries: Path
    host: str = "127.0.0.1"
    # None is the real clock; otherwise the tenant's clock starts at this instant and runs on.
    now: datetime | None = None
    # The longest span of a high-resolution query of execution.events; None means no limit.
    reach_limit: timedelta | None = timedelta(days=8)
    # One third party reports that a real tenant refuses the GET form of export.
    export_get: bool = True
    # What goes wrong from the start, as `KIND@ROUTE[:COUNT|PERCENT%]`; see `sandbox.faults`.
    faults: tuple[str, ...] = ()
    # Seconds that a 429 asks to wait, and that a `timeout-after` holds its connection.
    fault_retry_after: float = 1.0
    fault_delay: float = 0.0
    instance: str = "sandbox"
    region: str = "eu"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    # Custom fields that exist, as (kind of object, name): in NQL, `device.#cost_center`.
    custom_fields: tuple[tuple[str, str], ...] = DEFAULT_CUSTOM_FIELDS
    # Further credentials, for instance one without the permission `nql`.
    credentials: tuple[Credential, ...] = ()
    servicenow: ServiceNowOptions = field(default_factory=ServiceNowOptions)
    # How remote actions, workflows and campaigns turn out.
    acting: ActingOptions = field(default_factory=ActingOptions)

    def __post_init__(self) -> None:
        """Raise ValueError with everything that is invalid."""
        problems = _problems(self)
        if problems:
            raise ValueError("; ".join(problems))

    def resolved(self) -> "SandboxOptions":
        """Return the options with the generated credential filled in."""
        return replace(
            self,
            client_id=self.client_id or f"sandbox-{_derived(self.seed, 'id')[:12]}",
            client_secret=self.client_secret or _derived(self.seed, "secret"),
        )

    @property
    def strftime(self) -> str:
        """The format in which date-times are written."""
        return DATETIME_FORMATS.get(self.datetime_format, self.datetime_format)

    @property
    def fine_days(self) -> int:
        """Days for which high-resolution samples are kept."""
        if self.fine_retention is not None:
            return min(self.fine_retention, self.retention)
        return self.retention if self.reach_limit is None else min(FINE_DAYS, self.retention)

    @property
    def null_text(self) -> str:
        """The text for null in CSV."""
        return "" if self.null_form == "empty" else self.null_form

    @property
    def boolean_texts(self) -> tuple[str, str]:
        """The texts for true and false in CSV."""
        return BOOLEAN_FORMS[self.boolean_form]

    def custom_fields_of(self, entity: str) -> frozenset[str]:
        """Return the custom fields of a kind of object, each with its `#`."""
        named = (name for kind, name in self.custom_fields if kind == entity)
        return frozenset(name if "#" in name else f"#{name}" for name in named)

    @property
    def written_zone(self) -> str:
        """The zone in which date-times are written."""
        return "UTC" if self.datetime_format in ("utc", "utc-ms") else self.time_zone


def parse_reach(text: str) -> timedelta | None:
    """Return the limit that a text such as `192h`, `8d` or `off` means."""
    if text == "off":
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a span such as 192h or 8d, nor off")
    seconds = float(match[1]) * _SPAN_SECONDS[match[2]]
    if seconds > _LONGEST_DAYS * _SPAN_SECONDS["d"]:
        raise ValueError(f"{text!r} is longer than {_LONGEST_DAYS} days: use off")
    return timedelta(seconds=seconds)


def _derived(seed: int, purpose: str) -> str:
    return hashlib.blake2b(
        f"nexthink sandbox {seed} {purpose}".encode(), digest_size=20
    ).hexdigest()


def _problems(options: SandboxOptions) -> list[str]:
    return [
        *_form_problems(options),
        *_number_problems(options),
        *_field_problems(options),
        *_fault_problems(options),
    ]


def _form_problems(options: SandboxOptions) -> list[str]:
    problems: list[str] = []
    if not _is_loopback(options.host):
        problems.append(f"host {options.host!r} is not a loopback address")
    try:
        ZoneInfo(options.time_zone)
    except (KeyError, ValueError, OSError):
        problems.append(f"time_zone {options.time_zone!r} is not an IANA zone")
    if options.datetime_format not in DATETIME_FORMATS and "%" not in options.datetime_format:
        known = ", ".join(DATETIME_FORMATS)
        problems.append(f"datetime_format {options.datetime_format!r} is not one of {known}")
    if options.now is not None and options.now.tzinfo is None:
        problems.append("now has no offset")
    if options.boolean_form not in BOOLEAN_FORMS:
        known = ", ".join(BOOLEAN_FORMS)
        problems.append(f"boolean_form {options.boolean_form!r} is not one of {known}")
    if options.malformed_status not in MALFORMED_STATUSES:
        problems.append(f"malformed_status {options.malformed_status} is neither 404 nor 400")
    if options.empty_result not in EMPTY_RESULTS:
        known = ", ".join(EMPTY_RESULTS)
        problems.append(f"empty_result {options.empty_result!r} is not one of {known}")
    if options.mac_address_field and not _FIELD.fullmatch(options.mac_address_field):
        problems.append(f"mac_address_field {options.mac_address_field!r} is not a field name")
    if set(options.null_form) & set('",\r\n'):
        problems.append("null_form contains a character that CSV would have to quote")
    return problems


def _number_problems(options: SandboxOptions) -> list[str]:
    # Written so that NaN is out of range too.
    problems = [
        f"{name} is not between {low:,} and {high:,}"
        for name, (low, high) in BOUNDS.items()
        if (value := getattr(options, name)) is not None and not low <= value <= high
    ]
    if options.now is not None and not FIRST_YEAR <= options.now.year <= LAST_YEAR:
        problems.append(f"now is not between {FIRST_YEAR} and {LAST_YEAR}")
    if options.reach_limit is not None and options.reach_limit <= timedelta(0):
        problems.append("reach_limit is not above 0")
    return problems + options.servicenow.problems() + options.acting.problems()


def _field_problems(options: SandboxOptions) -> list[str]:
    problems: list[str] = []
    if len(options.custom_fields) > MOST_CUSTOM_FIELDS:
        problems.append(f"there are more than {MOST_CUSTOM_FIELDS} custom fields")
    kinds = ", ".join(sorted(CUSTOMISABLE))
    problems += [
        f"custom field {kind}.{name} is not a valid name; kinds are {kinds}"
        for kind, name in options.custom_fields
        if kind not in CUSTOMISABLE or not _CUSTOM_FIELD.fullmatch(name)
    ]
    unknown = {p for c in options.credentials for p in c.permissions} - PERMISSIONS
    if unknown:
        problems.append(f"unknown permissions: {', '.join(sorted(unknown))}")
    return problems


def _fault_problems(options: SandboxOptions) -> list[str]:
    problems: list[str] = []
    for fault in options.faults:
        try:
            Fault.parse(fault)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
