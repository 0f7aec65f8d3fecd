"""The workflows of the tenant: invented, one for each kind of target and of trigger."""

from dataclasses import dataclass

from sandbox.actions.identity import uuid_of
from sandbox.estate.feed import DeviceEffect

DEPENDENCIES = ("USER", "DEVICE", "USER_AND_DEVICE", "NONE")
TRIGGER_METHODS = ("API", "MANUAL", "MANUAL_MULTIPLE", "SCHEDULER")


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow, what it acts on and where it may be triggered from."""

    id: str
    name: str
    description: str
    dependency: str
    active: bool = True
    triggers: tuple[str, ...] = TRIGGER_METHODS
    parameters: tuple[str, ...] = ()
    waits_for_event: bool = False
    versions: int = 1
    last_update: str = "2026-09-14T08:30:00Z"
    # What it changes on a device where it succeeds.
    effect: DeviceEffect | None = None

    @property
    def uuid(self) -> str:
        """The second of its two ids."""
        return uuid_of(self.id)

    @property
    def has_device(self) -> bool:
        """Whether it acts on devices."""
        return self.dependency in ("DEVICE", "USER_AND_DEVICE")

    @property
    def has_user(self) -> bool:
        """Whether it acts on users."""
        return self.dependency in ("USER", "USER_AND_DEVICE")

    def describe(self) -> dict[str, object]:
        """Return it as live tenants list it: the published schema of two fields never ends."""
        return {
            "id": self.id,
            "uuid": self.uuid,
            "name": self.name,
            "description": self.description,
            "status": "ACTIVE" if self.active else "INACTIVE",
            "lastUpdateTime": self.last_update,
            "triggerMethods": {
                "apiEnabled": "API" in self.triggers,
                "manualEnabled": "MANUAL" in self.triggers,
                "manualAllowMultipleInstances": "MANUAL_MULTIPLE" in self.triggers,
                "schedulingEnabled": "SCHEDULER" in self.triggers,
            },
            "versions": [self._version(number) for number in range(1, self.versions + 1)],
        }

    def _version(self, number: int) -> dict[str, object]:
        newest = number == self.versions
        return {
            "version": number,
            "status": "ACTIVE" if self.active and newest else "INACTIVE",
            # Guesses: no public source shows what these two hold.
            "definition": {},
            "parameters": [{"name": name, "description": ""} for name in self.parameters],
            "valid": True,
            "hasDevice": self.has_device,
            "hasUser": self.has_user,
        }


WORKFLOWS: dict[str, WorkflowDefinition] = {
    workflow.id: workflow
    for workflow in (
        WorkflowDefinition(
            "#disk_space_relief",
            "Disk space relief",
            "Cleans up full disks and reports what is left.",
            "DEVICE",
            parameters=("threshold_gb",),
            versions=2,
            effect=DeviceEffect.FREES_DISK,
        ),
        WorkflowDefinition(
            "#device_replacement",
            "Device replacement",
            "Orders a new device once the approval has come.",
            "DEVICE",
            waits_for_event=True,
            parameters=("ticket",),
        ),
        WorkflowDefinition(
            "#leaver_checks",
            "Leaver checks",
            "Finds what a person who leaves still has.",
            "USER",
        ),
        WorkflowDefinition(
            "#access_approval",
            "Access approval",
            "Waits for the answer of the identity system before it continues.",
            "USER",
            waits_for_event=True,
        ),
        WorkflowDefinition(
            "#vpn_repair",
            "VPN repair",
            "Repairs the VPN of a person at a device.",
            "USER_AND_DEVICE",
        ),
        WorkflowDefinition(
            "#nightly_report",
            "Nightly report",
            "Sends a summary; is about nobody in particular.",
            "NONE",
            triggers=("API", "SCHEDULER"),
        ),
        WorkflowDefinition(
            "#certificate_watch",
            "Certificate watch",
            "Looks for certificates that end soon; by schedule only.",
            "DEVICE",
            triggers=("SCHEDULER",),
        ),
        WorkflowDefinition(
            "#old_onboarding",
            "Onboarding (old)",
            "Replaced, and switched off.",
            "USER",
            active=False,
        ),
    )
}
