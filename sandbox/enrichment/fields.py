"""The fields that can be written: their names in the API and in NQL, and the values they take."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from sandbox.options import CUSTOMISABLE, SandboxOptions

# Real tenants refuse longer values, a third party reports.
LONGEST_VALUE = 64

# In the order of their numeric codes; the first means no broker.
BROKERS = (
    None,
    "citrix_cvad",
    "citrix_daas",
    "azure_virtual_desktops",
    "windows_365",
    "horizon_on_prem",
    "aws_workspace",
    "aws_appstream",
)
DESKTOP_TYPES = {1: "shared", 2: "personal", 3: "pooled"}

Value = str | int | datetime | None


class FieldFormat(Enum):
    """What a field accepts."""

    TEXT = "a text"
    MOMENT = "a date, or a date and time"
    BROKER = "a number from 0 to 7"
    DESKTOP_TYPE = "a number from 1 to 3"


class WrongTypeError(ValueError):
    """A value of a type that the field does not accept."""


class TooLongError(ValueError):
    """A text longer than a field holds."""


class OutOfRangeError(ValueError):
    """A value of the right type that has no meaning."""


@dataclass(frozen=True, slots=True)
class EnrichableField:
    """A field by its name in the API."""

    name: str
    kind: FieldFormat

    @property
    def entity(self) -> str:
        """The kind of object it belongs to."""
        return self.name.partition("/")[0]

    @property
    def path(self) -> str:
        """Its NQL path below the entity, such as `ad.department` or `#cost_center`."""
        return ".".join(self.name.split("/")[2:])

    def read(self, value: object) -> Value:
        """Return a value as NQL shows it, None if it clears the field, or raise a refusal."""
        if self.kind in (FieldFormat.BROKER, FieldFormat.DESKTOP_TYPE):
            # A bool is an int only for Python.
            if not isinstance(value, int) or isinstance(value, bool):
                raise WrongTypeError(f"{self.name} takes {self.kind.value}")
            return self._choice(value)
        if not isinstance(value, str):
            raise WrongTypeError(f"{self.name} takes {self.kind.value}")
        if len(value) > LONGEST_VALUE and not self.name.endswith("/distinguished_name"):
            raise TooLongError(f"{self.name} takes at most {LONGEST_VALUE} characters")
        # Only text fields are cleared by an empty text.
        return self._moment(value) if self.kind is FieldFormat.MOMENT else value or None

    def _choice(self, number: int) -> str | None:
        if self.kind is FieldFormat.BROKER and number in range(len(BROKERS)):
            return BROKERS[number]
        if self.kind is FieldFormat.DESKTOP_TYPE and number in DESKTOP_TYPES:
            return DESKTOP_TYPES[number]
        raise OutOfRangeError(f"{self.name} takes {self.kind.value}")

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            raise WrongTypeError(f"{self.name} takes {self.kind.value}") from None


def _known() -> Iterable[EnrichableField]:
    yield EnrichableField("device/device/configuration_tag", FieldFormat.TEXT)
    own = {
        "desktop_broker": FieldFormat.BROKER,
        "type": FieldFormat.DESKTOP_TYPE,
        "last_update": FieldFormat.MOMENT,
    }
    for name in [
        "desktop_broker",
        "desktop_pool",
        "disk_image",
        "environment_name",
        "hostname",
        "hypervisor_name",
        "instance_size",
        "last_update",
        "region",
        "type",
    ]:
        yield EnrichableField(
            f"device/device/virtualization/{name}", own.get(name, FieldFormat.TEXT)
        )
    for name in [
        "city",
        "country_code",
        "department",
        "distinguished_name",
        "email_address",
        "full_name",
        "job_title",
        "last_update",
        "office",
        "organizational_unit",
        "username",
    ]:
        kind = FieldFormat.MOMENT if name == "last_update" else FieldFormat.TEXT
        yield EnrichableField(f"user/user/ad/{name}", kind)


def _custom(options: SandboxOptions) -> Iterable[EnrichableField]:
    for entity in CUSTOMISABLE:
        for path in options.custom_fields_of(entity):
            yield EnrichableField(f"{entity}/{entity}/{path.replace('.', '/')}", FieldFormat.TEXT)


def fields_of(options: SandboxOptions) -> dict[str, EnrichableField]:
    """Return all fields by name: those of every tenant, and this tenant's custom ones."""
    return {field.name: field for field in (*_known(), *_custom(options))}
