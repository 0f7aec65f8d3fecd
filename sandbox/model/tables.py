"""The tables of the sandbox tenant and their columns, named as results name them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.model.kinds import Kind

_S, _I, _F, _B = Kind.STRING, Kind.INT, Kind.FLOAT, Kind.BOOLEAN
_T, _E, _Y, _D, _V, _P = (
    Kind.DATETIME,
    Kind.ENUM,
    Kind.BYTES,
    Kind.DURATION,
    Kind.VERSION,
    Kind.IP,
)

_DEVICE = {
    "uid": _S, "collector.uid": _S, "name": _S, "entity": _S,
    "first_seen": _T, "last_seen": _T, "days_since_last_seen": _I, "configuration_tag": _S,
    "hardware.manufacturer": _S, "hardware.model": _S, "hardware.product_line": _S,
    "hardware.type": _E, "hardware.memory": _Y, "hardware.chassis_serial_number": _S,
    "hardware.machine_serial_number": _S,
    "operating_system.name": _S, "operating_system.platform": _E, "operating_system.build": _V,
    "operating_system.last_update": _T, "operating_system.days_since_last_update": _I,
    "collector.version": _V, "collector.update_group": _S, "collector.tag_id": _I,
    "collector.local_ip": _P,
    "boot.days_since_last_full_boot": _I, "boot.last_full_boot_duration": _D,
    "connectivity.last_connectivity_type": _E,
    "location.type": _E, "location.site": _S, "location.country": _S,
    "login.last_login_user_name": _S, "organization.entity": _S,
    "public_ip.country": _S, "public_ip.isp": _S,
    "virtualization.type": _E, "virtualization.desktop_broker": _E,
    "virtualization.desktop_pool": _S, "virtualization.disk_image": _S,
    "virtualization.environment_name": _S, "virtualization.hostname": _S,
    "virtualization.hypervisor_name": _S, "virtualization.instance_size": _S,
    "virtualization.region": _S, "virtualization.last_update": _T,
}  # fmt: skip

_USER = {
    "uid": _S, "sid": _S, "name": _S, "username": _S, "upn": _S, "upn_privacy_level": _E,
    "type": _E, "first_seen": _T, "last_seen": _T, "days_since_last_seen": _I,
    "ad.full_name": _S, "ad.username": _S, "ad.email_address": _S, "ad.job_title": _S,
    "ad.department": _S, "ad.office": _S, "ad.city": _S, "ad.country_code": _S,
    "ad.organizational_unit": _S, "ad.distinguished_name": _S, "ad.last_update": _T,
}  # fmt: skip

_BINARY = {
    "uid": _S, "name": _S, "version": _V, "platform": _E, "architecture": _E, "size": _Y,
    "md5_hash": _S, "sha-256_hash_hex": _S, "company": _S, "description": _S,
    "product_name": _S, "product_category": _S, "product_subcategory": _S,
    "has_user_interface": _B, "first_seen": _T, "last_seen": _T,
}  # fmt: skip

_APPLICATION = {"uid": _S, "name": _S, "description": _S, "type": _E}

_EVENT = {
    "start_time": _T, "end_time": _T, "bucket_duration": _I, "cpu_time": _D,
    "execution_duration": _D, "memory.avg": _Y, "real_memory": _Y,
    "number_of_freezes": _I, "number_of_page_faults": _I,
    "incoming_traffic": _Y, "outgoing_traffic": _Y,
    "incoming_throughput": _F, "outgoing_throughput": _F,
    "connection_establishment_time": _D, "number_of_established_connections": _I,
    "number_of_no_host_connections": _I, "number_of_no_service_connections": _I,
    "number_of_rejected_connections": _I, "highest_process_visibility": _E,
}  # fmt: skip

_CRASH = {
    "time": _T, "number_of_crashes": _I, "crash_on_start": _B, "binary_path": _S,
    "binary_path_root": _E, "process_visibility": _E,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its full path, which is also its header, and its type."""

    path: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """One table: where its rows come from is the estate's affair."""

    namespace: str
    name: str
    entity: str
    columns: Mapping[str, Column]
    defaults: tuple[str, ...]
    time: str
    is_event: bool = False
    samples: bool = False

    @property
    def path(self) -> str:
        """The name by which a query calls the table."""
        return f"{self.namespace}.{self.name}"

    @property
    def prefix(self) -> str:
        """What precedes the name of a field of this table's own."""
        same = self.namespace == self.entity
        return self.entity if same else f"{self.namespace}.{self.entity}"


def _columns(prefix: str, kinds: Mapping[str, Kind]) -> dict[str, Column]:
    return {f"{prefix}.{name}": Column(f"{prefix}.{name}", kind) for name, kind in kinds.items()}


def _inventory(
    entity: str, name: str, kinds: Mapping[str, Kind], defaults: str, time: str = "last_seen"
) -> Table:
    listed = tuple(f"{entity}.{field}" for field in defaults.split())
    when = f"{entity}.{time}" if time else ""
    return Table(entity, name, entity, _columns(entity, kinds), listed, when)


INVENTORIES: dict[str, Mapping[str, Kind]] = {
    "device": _DEVICE,
    "user": _USER,
    "binary": _BINARY,
    "application": _APPLICATION,
}


def _events(entity: str, name: str, kinds: Mapping[str, Kind], time: str, defaults: str) -> Table:
    columns = _columns(f"execution.{entity}", kinds)
    for linked, fields in INVENTORIES.items():
        columns |= _columns(linked, fields)
    return Table(
        "execution",
        name,
        entity,
        columns,
        tuple(defaults.split()),
        f"execution.{entity}.{time}",
        is_event=True,
        samples=name == "events",
    )


TABLES: dict[str, Table] = {
    table.path: table
    for table in (
        _inventory("device", "devices", _DEVICE, "name entity operating_system.name last_seen"),
        _inventory("user", "users", _USER, "name type last_seen"),
        _inventory("binary", "binaries", _BINARY, "name version platform company"),
        _inventory("application", "applications", _APPLICATION, "name type", time=""),
        _events(
            "event",
            "events",
            _EVENT,
            "start_time",
            "execution.event.start_time execution.event.end_time"
            " execution.event.bucket_duration device.name binary.name execution.event.cpu_time",
        ),
        _events(
            "crash",
            "crashes",
            _CRASH,
            "time",
            "execution.crash.time device.name binary.name execution.crash.number_of_crashes",
        ),
    )
}

SHORTCUTS = {
    "devices": "device.devices",
    "users": "user.users",
    "binaries": "binary.binaries",
    "applications": "application.applications",
}
