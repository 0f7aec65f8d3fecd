"""The fields of the objects of a tenant: devices and their lists, users, binaries, and so on."""

from collections.abc import Mapping

from nql.kinds import Kind

S, I, F, B = Kind.STRING, Kind.INT, Kind.FLOAT, Kind.BOOLEAN  # noqa: E741 - one letter per type
T, E, Y, D, V, P, A = (
    Kind.DATETIME,
    Kind.ENUM,
    Kind.BYTES,
    Kind.DURATION,
    Kind.VERSION,
    Kind.IP,
    Kind.ARRAY,
)

_DEVICE = {
    "uid": S, "collector.uid": S, "name": S, "entity": S,
    "first_seen": T, "last_seen": T, "days_since_last_seen": I, "configuration_tag": S,
    "hardware.manufacturer": S, "hardware.model": S, "hardware.product_line": S,
    "hardware.type": E, "hardware.memory": Y, "hardware.chassis_serial_number": S,
    "hardware.machine_serial_number": S, "hardware.bios_serial_number": S,
    "operating_system.name": S, "operating_system.platform": E, "operating_system.build": V,
    "operating_system.last_update": T, "operating_system.days_since_last_update": I,
    "collector.version": V, "collector.update_group": S, "collector.tag_id": I,
    "collector.local_ip": P,
    "boot.days_since_last_full_boot": I, "boot.last_full_boot_duration": D,
    "connectivity.last_connectivity_type": E,
    "location.type": E, "location.site": S, "location.country": S,
    "login.last_login_user_name": S, "organization.entity": S,
    "public_ip.country": S, "public_ip.isp": S,
    "virtualization.type": E, "virtualization.desktop_broker": E,
    "virtualization.desktop_pool": S, "virtualization.disk_image": S,
    "virtualization.environment_name": S, "virtualization.hostname": S,
    "virtualization.hypervisor_name": S, "virtualization.instance_size": S,
    "virtualization.region": S, "virtualization.last_update": T,
    "user_account_control_status": E,
    "antiviruses": A, "cpus": A, "disks": A, "firewalls": A, "gpus": A, "local_admins": A,
    "monitors": A, "volumes": A,
}  # fmt: skip

_USER = {
    "uid": S, "sid": S, "name": S, "username": S, "upn": S, "upn_privacy_level": E,
    "type": E, "first_seen": T, "last_seen": T, "days_since_last_seen": I,
    "ad.full_name": S, "ad.username": S, "ad.email_address": S, "ad.job_title": S,
    "ad.department": S, "ad.office": S, "ad.city": S, "ad.country_code": S,
    "ad.organizational_unit": S, "ad.distinguished_name": S, "ad.last_update": T,
}  # fmt: skip

_BINARY = {
    "uid": S, "name": S, "version": V, "platform": E, "architecture": E, "size": Y,
    "md5_hash": S, "sha-256_hash_hex": S, "company": S, "description": S,
    "product_name": S, "product_category": S, "product_subcategory": S,
    "has_user_interface": B, "first_seen": T, "last_seen": T,
}  # fmt: skip

_APPLICATION = {"uid": S, "name": S, "description": S, "type": E}

_PACKAGE = {
    "uid": S, "name": S, "version": V, "publisher": S, "type": E, "platform": E,
    "parent_name": S, "first_seen": T, "last_seen": T,
}  # fmt: skip

_MONITOR = {
    "uid": S, "name": S, "nql_id": S, "priority": E, "tags": A, "type": E,
}  # fmt: skip

# The fields of each nested list of devices: a few names are published, the others guessed.
NESTED: dict[str, Mapping[str, Kind]] = {
    "antiviruses": {"name": S, "is_up_to_date": B, "real_time_protection": E},
    "cpus": {"name": S, "frequency": F, "number_of_cores": I, "number_of_logical_processors": I},
    "disks": {"name": S, "type": E, "capacity": Y},
    "firewalls": {"name": S, "enabled": B, "real_time_protection": E},
    "gpus": {"name": S, "memory": Y},
    "local_admins": {"name": S, "type": E},
    "monitors": {"name": S, "serial_number": S, "resolution": S},
    "volumes": {"name": S, "capacity": Y, "free_space": Y, "is_system": B},
}
SINGULAR = {
    "antiviruses": "antivirus", "crashes": "crash", "system_crashes": "system_crash",
    "interactions_summary": "interaction_summary", "executions_summary": "execution_summary",
}  # fmt: skip

OBJECTS: dict[str, Mapping[str, Kind]] = {
    "device": _DEVICE,
    "user": _USER,
    "binary": _BINARY,
    "application": _APPLICATION,
    "package": _PACKAGE,
    "alert.monitor": _MONITOR,
    "ai.tool": {"uid": S, "name": S, "nql_id": S, "type": E, "vendor": S, "status": E},
    "application.guide": {"uid": S, "nql_id": S, "name": S, "type": E, "status": E},
    "application.guide_step": {"uid": S, "nql_id": S, "name": S, "type": E},
    "device.mobile_device": {
        "uid": S, "name": S, "model": S, "manufacturer": S, "serial_number": S,
        "operating_system.name": S, "operating_system.platform": E,
    },
}  # fmt: skip
