"""The remote actions of the tenant: invented, but each of a kind that real tenants have."""

from dataclasses import dataclass

from sandbox.actions.identity import uuid_of
from sandbox.estate.feed import DeviceEffect


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of a script; without options it accepts any text."""

    id: str
    description: str
    options: tuple[str, ...] = ()
    allow_custom_value: bool = True

    def takes(self, value: str) -> bool:
        """Return whether a value is allowed: one of its options, where custom values are not."""
        return self.allow_custom_value or value in self.options


@dataclass(frozen=True, slots=True)
class RemoteActionDefinition:
    """A remote action and where it may be triggered from."""

    id: str
    name: str
    description: str
    purpose: tuple[str, ...] = ("DATA_COLLECTION",)
    inputs: tuple[Input, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    run_as: str = "LOCAL_SYSTEM"
    windows: bool = True
    mac: bool = False
    api: bool = True
    manual: bool = True
    workflow: bool = True
    several_devices: bool = True
    timeout_seconds: int = 120
    origin: str = "CUSTOM"
    version: str = ""
    delegate: str = ""
    # What it changes on a device where it succeeds.
    effect: DeviceEffect | None = None

    def runs_on(self, platform: str | None) -> bool:
        """Return whether it has a script for a platform."""
        return {"Windows": self.windows, "macOS": self.mac}.get(platform or "", True)

    @property
    def uuid(self) -> str:
        """The second of its two ids."""
        return uuid_of(self.id)

    def describe(self) -> dict[str, object]:
        """Return it as the API lists it, with what live tenants add to the published schema."""
        platforms = {"usedByWindows": self.windows, "usedByMacOs": self.mac}
        return {
            "id": self.id,
            "uuid": self.uuid,
            "name": self.name,
            "description": self.description,
            "origin": self.origin,
            "builtInContentVersion": self.version,
            "purpose": list(self.purpose),
            "targeting": {
                "apiEnabled": self.api,
                "manualEnabled": self.manual,
                "workflowEnabled": self.workflow,
                "manualAllowMultipleDevices": self.manual and self.several_devices,
                "sparkEnabled": False,
            },
            "targetingEntity": {
                "deviceEnabled": True,
                "vdiSessionEnabled": False,
                "allowUserOverrideVDISessionTargeting": False,
            },
            "scriptInfo": {
                "executionServiceDelegate": self.delegate,
                "runAs": self.run_as,
                "timeoutSeconds": self.timeout_seconds,
                "hasScriptWindows": self.windows,
                "hasScriptMacOs": self.mac,
                "inputs": [
                    {
                        "id": each.id,
                        "name": each.id,
                        "description": each.description,
                        "options": list(each.options),
                        "allowCustomValue": each.allow_custom_value,
                        **platforms,
                    }
                    for each in self.inputs
                ],
                "outputs": [
                    {"id": name, "name": name, "type": kind, "description": "", **platforms}
                    for name, kind in self.outputs
                ],
            },
        }


_START_TYPES = ("Automatic", "Manual", "Disabled")
_REMEDIATION = ("REMEDIATION",)
_BOTH = ("DATA_COLLECTION", "REMEDIATION")

REMOTE_ACTIONS: dict[str, RemoteActionDefinition] = {
    action.id: action
    for action in (
        RemoteActionDefinition(
            "#get_disk_usage",
            "Get disk usage",
            "Reads how full the system drive is.",
            outputs=(("FreeSpace", "Size"), ("UsedShare", "Ratio")),
            mac=True,
        ),
        RemoteActionDefinition(
            "#get_battery_status",
            "Get battery status",
            "Reads the wear of the battery of a laptop.",
            outputs=(("DesignCapacity", "Int"), ("FullChargeCapacity", "Int")),
        ),
        RemoteActionDefinition(
            "#get_encryption_status",
            "Get encryption status",
            "Reads whether the system drive is encrypted, and how.",
            outputs=(("IsEncrypted", "Bool"), ("Method", "String")),
            mac=True,
            origin="BUILT_IN",
            version="3.1.0.0",
        ),
        RemoteActionDefinition(
            "#get_service_status",
            "Get service status",
            "Reads whether a service runs and how it starts.",
            inputs=(Input("ServiceName", "The service's short name."),),
            outputs=(("Status", "String"), ("StartType", "String")),
        ),
        RemoteActionDefinition(
            "#set_service_start_type",
            "Set service start type",
            "Changes how a service starts, and starts or stops it.",
            _BOTH,
            inputs=(
                Input("ServiceName", "The service's short name."),
                Input("SetStartTypeTo", "How it shall start.", _START_TYPES, False),
                Input("StatusChange", "Start or stop it now.", ("On", "Off"), False),
            ),
            outputs=(("StartType", "String"),),
        ),
        RemoteActionDefinition(
            "#restart_service",
            "Restart service",
            "Stops a service and starts it again.",
            _REMEDIATION,
            inputs=(Input("ServiceName", "The service's short name."),),
        ),
        RemoteActionDefinition(
            "#clean_up_disk",
            "Clean up disk",
            "Removes temporary files and old updates.",
            _BOTH,
            inputs=(
                Input("MinimumAgeDays", "Younger files stay.", ("7", "30", "90")),
                Input("EmptyRecycleBin", "Also empty the recycle bin.", ("true", "false"), False),
            ),
            outputs=(("FreedSpace", "Size"),),
            mac=True,
            timeout_seconds=1800,
            effect=DeviceEffect.FREES_DISK,
        ),
        RemoteActionDefinition(
            "#repair_office",
            "Repair office suite",
            "Runs the quick repair of the office suite.",
            _REMEDIATION,
            outputs=(("ExitCode", "Int"),),
            timeout_seconds=3600,
        ),
        RemoteActionDefinition(
            "#reset_vpn_client",
            "Reset VPN client",
            "Clears the VPN client's profile and starts it again, as the person at the device.",
            _REMEDIATION,
            run_as="INTERACTIVE_USER",
        ),
        RemoteActionDefinition(
            "#renew_certificate",
            "Renew device certificate",
            "Asks the management service for a new device certificate.",
            _REMEDIATION,
            run_as="DELEGATE_TO_SERVICE",
            delegate="device-management",
            mac=True,
        ),
        RemoteActionDefinition(
            "#flush_dns_cache",
            "Flush DNS cache",
            "Empties the resolver's cache.",
            _REMEDIATION,
            windows=False,
            mac=True,
        ),
        RemoteActionDefinition(
            "#restart_device",
            "Restart device",
            "Restarts the device after a warning; by hand only.",
            _REMEDIATION,
            inputs=(Input("DelayMinutes", "Time to save work.", ("5", "15", "60")),),
            api=False,
            several_devices=False,
            effect=DeviceEffect.RESTARTS,
        ),
        RemoteActionDefinition(
            "#restart_for_updates",
            "Restart device for updates",
            "Restarts the device after a warning, so that updates are installed.",
            _REMEDIATION,
            inputs=(Input("DelayMinutes", "Time to save work.", ("5", "15", "60", "600"), False),),
            outputs=(("RestartedAt", "DateTime"), ("PendingUpdates", "Int")),
            mac=True,
            effect=DeviceEffect.RESTARTS,
        ),
        RemoteActionDefinition(
            "#get_startup_report",
            "Get startup report",
            "Reads how the device starts and what starts with it.",
            outputs=(
                ("CollectedAt", "DateTime"),
                ("BootDuration", "Millisecond"),
                ("FastStartup", "Bool"),
                ("PendingUpdates", "Int"),
                ("CpuTemperature", "Float"),
                ("BiosVersion", "String"),
                ("StartupPrograms", "StringList"),
            ),
        ),
        RemoteActionDefinition(
            "#collect_diagnostics",
            "Collect diagnostics",
            "Packs logs for the support; for workflows only.",
            outputs=(("PackagePath", "String"),),
            api=False,
            manual=False,
        ),
    )
}
