"""The fields that can be written, the values each accepts, and how it is cleared.

Names and values are those of the enrichment API. Messages name fields and kinds, never a value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

# Reported from real tenants, not documented by the vendor: a default that a caller may change.
LONGEST_TEXT: Final = 64

# What identifies an object of each kind, best first: a uid is never reused.
IDENTIFICATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "device": ("device/device/uid", "device/device/name"),
    "user": ("user/user/uid", "user/user/sid", "user/user/upn"),
    "binary": ("binary/binary/uid",),
    "package": ("package/package/uid",),
}

Value: TypeAlias = str | int | date


# What lists all objects of a kind in NQL, for as long as a tenant keeps them by default.
READ_BACK_TABLES: Final[Mapping[str, str]] = {
    "device": "devices during past 30d",
    "user": "users during past 30d",
    "binary": "binaries during past 30d",
    "package": "packages",
}


class FieldError(ValueError):
    """An unknown name, or an operation that the field does not support."""


class FieldKind(StrEnum):
    """What a field accepts."""

    TEXT = "text"
    NUMBER = "a whole number"
    MOMENT = "a date, or a date and time with its offset"


class ValueProblem(StrEnum):
    """Why a value is refused before it is sent."""

    WRONG_TYPE = "wrong type"
    TOO_LONG = "too long"
    OUT_OF_RANGE = "out of range"


@dataclass(frozen=True, slots=True)
class WritableField:
    """One writable field; `numbers` are the values of a NUMBER, `longest` limits a TEXT."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    longest: int | None = LONGEST_TEXT
    numbers: range = range(0)
    clear: str | int | None = ""

    @property
    def object_type(self) -> str:
        """The kind of object that the field belongs to: device, user, binary or package."""
        return self.name.partition("/")[0]

    @property
    def clearing(self) -> str | int:
        """The value that empties the field.

        Raises:
            FieldError: no value empties it.
        """
        if self.clear is None:
            raise FieldError(f"{self.name} cannot be cleared: the API has no value that empties it")
        return self.clear


def _moment(name: str) -> WritableField:
    return WritableField(name, FieldKind.MOMENT, longest=None, clear=None)


_VIRTUALIZATION: Final = "device/device/virtualization/"
_DIRECTORY: Final = "user/user/ad/"
_TEXTS: Final = (
    "device/device/configuration_tag",
    *(
        _VIRTUALIZATION + name
        for name in (
            "desktop_pool",
            "disk_image",
            "environment_name",
            "hostname",
            "hypervisor_name",
            "instance_size",
            "region",
        )
    ),
    *(
        _DIRECTORY + name
        for name in (
            "city",
            "country_code",
            "department",
            "email_address",
            "full_name",
            "job_title",
            "office",
            "organizational_unit",
            "username",
        )
    ),
)

# The documented fields by name; custom ones follow a pattern.
FIELDS: Final[Mapping[str, WritableField]] = {
    field.name: field
    for field in (
        *map(WritableField, _TEXTS),
        # A person's path in a directory is usually longer than 64, so the tenant decides.
        WritableField(_DIRECTORY + "distinguished_name", longest=None),
        WritableField(
            _VIRTUALIZATION + "desktop_broker", FieldKind.NUMBER, None, range(8), clear=0
        ),
        WritableField(_VIRTUALIZATION + "type", FieldKind.NUMBER, None, range(1, 4), clear=None),
        _moment(_VIRTUALIZATION + "last_update"),
        _moment(_DIRECTORY + "last_update"),
    )
}
# What NQL shows for the numbers of a field, from 0; broker 0 means no broker.
SHOWN_AS: Final[Mapping[str, tuple[str, ...]]] = {
    _VIRTUALIZATION + "desktop_broker": (
        "",
        "citrix_cvad",
        "citrix_daas",
        "azure_virtual_desktops",
        "windows_365",
        "horizon_on_prem",
        "aws_workspace",
        "aws_appstream",
    ),
    _VIRTUALIZATION + "type": ("", "shared", "personal", "pooled"),
}
_CUSTOM: Final = re.compile(
    r"(?:(device|user|binary|package)/\1|user/user/organization)/#[A-Za-z0-9_]{1,64}"
)
# A full date and optionally a time, at least to the minute and with its offset.
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
MOMENT_TEXT: Final = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rf"(?:T{_CLOCK}(?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?(?:Z|[+-]{_CLOCK}))?"
)
# The years that four digits can write.
FIRST_YEAR, LAST_YEAR = 1, 9999
_MOMENT: Final = re.compile(MOMENT_TEXT)


def nql_name(name: str) -> str:
    """Return the name that NQL uses for a field or an identification.

    `device/device/#owner` is `device.#owner`, `user/user/ad/city` is `user.ad.city`.
    """
    entity, _, *rest = name.split("/")
    return ".".join([entity, *rest])


def check_identification(object_type: str, name: str) -> None:
    """Raise unless the objects of a kind are identified by this name.

    Raises:
        FieldError: the kind is unknown, or has other identifications.
    """
    known = IDENTIFICATIONS.get(object_type)
    if known is None:
        raise FieldError(
            f"{object_type!r} is not a kind of object: use {', '.join(IDENTIFICATIONS)}"
        )
    if name not in known:
        raise FieldError(f"{name!r} does not identify a {object_type}: use {' or '.join(known)}")


def check_field(object_type: str, name: str, *, longest: int = LONGEST_TEXT) -> WritableField:
    """Return the field with this name; `longest` replaces the default limit of its text.

    A custom field has the form `device/device/#name`; only the tenant knows whether it exists.

    Raises:
        FieldError: the name is unknown, or belongs to another kind of object.
    """
    field = FIELDS.get(name) or (WritableField(name) if _CUSTOM.fullmatch(name) else None)
    if field is None:
        raise FieldError(
            f"{name!r} is not a field that can be written: "
            f"custom ones are {object_type}/{object_type}/#name"
        )
    if field.object_type != object_type:
        raise FieldError(f"{name} is a field of a {field.object_type}, not of a {object_type}")
    return replace(field, longest=longest) if field.longest == LONGEST_TEXT else field


def check_value(field: WritableField, value: object) -> ValueProblem | None:
    """Return what is wrong with a value, None if it can be sent; `clear` values can be sent."""
    match field.kind:
        case FieldKind.TEXT:
            if not isinstance(value, str) or not _is_unicode(value):
                return ValueProblem.WRONG_TYPE
            too_long = field.longest is not None and len(value) > field.longest
            return ValueProblem.TOO_LONG if too_long else None
        case FieldKind.NUMBER:
            # In Python a bool is an int, in the API it is not.
            if not isinstance(value, int) or isinstance(value, bool):
                return ValueProblem.WRONG_TYPE
            return None if value in field.numbers else ValueProblem.OUT_OF_RANGE
        case FieldKind.MOMENT:
            return None if _is_moment(value) else ValueProblem.WRONG_TYPE


def _is_unicode(text: str) -> bool:
    # JSON can escape half of a character; UTF-8 cannot encode it.
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _is_moment(value: object) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None
    if isinstance(value, date):
        return True
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True
