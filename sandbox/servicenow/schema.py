"""The tables of the instance: their fields, types, references and choices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FieldType(StrEnum):
    """The type of a field, under its name in an instance's dictionary."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    DATE = "glide_date"
    DATETIME = "glide_date_time"
    CURRENCY = "currency"
    REFERENCE = "reference"
    SYS_ID = "GUID"


@dataclass(frozen=True, slots=True)
class DictionaryField:
    """One field of a table."""

    name: str
    kind: FieldType = FieldType.STRING
    # The table that a reference points to.
    target: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table; `display` is the field shown for a reference to a row of it."""

    name: str
    display: str
    fields: Mapping[str, DictionaryField]


_INSTALL_STATUS = {
    "1": "Installed", "2": "On Order", "3": "In Maintenance", "6": "In Stock", "7": "Retired",
    "8": "Stolen", "100": "Absent",
}  # fmt: skip
_OPERATIONAL_STATUS = {"1": "Operational", "2": "Non-Operational", "6": "Retired"}
_ASSET_STATUS = {
    "1": "In use", "2": "On order", "3": "In maintenance", "6": "In stock", "7": "Retired",
    "8": "Missing",
}  # fmt: skip

_KINDS = {
    "i": FieldType.INTEGER, "b": FieldType.BOOLEAN, "d": FieldType.DATE,
    "t": FieldType.DATETIME, "c": FieldType.CURRENCY,
}  # fmt: skip

_SYSTEM = (
    "sys_created_on:t sys_created_by sys_updated_on:t sys_updated_by sys_mod_count:i"
    " sys_tags sys_class_name"
)


def _table(name: str, display: str, fields: str, **choices: Mapping[str, str]) -> TableSchema:
    """Return the fields of a line such as `name cpu_count:i location>cmn_location`."""
    made = [DictionaryField("sys_id", FieldType.SYS_ID)]
    for text in f"{fields} {_SYSTEM}".split():
        plain, _, target = text.partition(">")
        plain, _, letter = plain.partition(":")
        if target:
            made.append(DictionaryField(plain, FieldType.REFERENCE, target))
        elif plain in choices:
            made.append(DictionaryField(plain, FieldType.CHOICE, choices=choices[plain]))
        else:
            made.append(DictionaryField(plain, _KINDS.get(letter, FieldType.STRING)))
    return TableSchema(name, display, {each.name: each for each in made})


TABLES: dict[str, TableSchema] = {
    table.name: table
    for table in (
        _table(
            "cmdb_ci_computer",
            "name",
            "name asset>alm_hardware asset_tag serial_number assigned_to>sys_user"
            " department>cmn_department location>cmn_location cost_center>cmn_cost_center"
            " manufacturer>core_company model_id>cmdb_model install_status operational_status"
            " os os_version ram:i form_factor virtual:b host_name fqdn ip_address"
            " purchase_date:d warranty_expiration:d cost:c discovery_source"
            " first_discovered:t last_discovered:t short_description comments",
            install_status=_INSTALL_STATUS,
            operational_status=_OPERATIONAL_STATUS,
        ),
        _table(
            "alm_hardware",
            "display_name",
            "display_name asset_tag serial_number ci>cmdb_ci_computer assigned_to>sys_user"
            " department>cmn_department location>cmn_location cost_center>cmn_cost_center"
            " model>cmdb_model install_status substatus assigned:t purchase_date:d"
            " warranty_expiration:d retired:d cost:c po_number invoice_number comments",
            install_status=_ASSET_STATUS,
        ),
        _table(
            "sys_user",
            "name",
            "user_name first_name last_name name email title department>cmn_department"
            " location>cmn_location cost_center>cmn_cost_center manager>sys_user"
            " employee_number active:b locked_out:b vip:b phone country source last_login_time:t"
            " u_user_principal_name",
        ),
        _table(
            "cmn_department",
            "name",
            "name id parent>cmn_department dept_head>sys_user cost_center>cmn_cost_center"
            " description",
        ),
        _table(
            "cmn_location",
            "name",
            "name full_name parent>cmn_location street city country zip time_zone",
        ),
        _table("cmn_cost_center", "name", "name code account_number valid_from:t valid_to:t"),
        _table("core_company", "name", "name manufacturer:b vendor:b"),
        _table(
            "cmdb_model",
            "display_name",
            "display_name name model_number manufacturer>core_company status",
        ),
    )
}


def resolve(table: TableSchema, path: str) -> list[DictionaryField] | None:
    """Return the fields along a dotted path, or None if it does not exist."""
    found: list[DictionaryField] = []
    here: TableSchema | None = table
    for name in path.split("."):
        each = here.fields.get(name) if here else None
        if each is None:
            return None
        found.append(each)
        here = TABLES.get(each.target)
    return found
