"""Remote actions and workflows as the tenant describes them.

Read leniently: fields that live tenants add are ignored, fields that they omit or send as null get
a neutral default, and words are not validated.
"""

import re
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

# A number that the tenant gives may be shown only if it is one: a year in minutes, and in seconds.
LONGEST_MINUTES = 366 * 24 * 60
LONGEST_SECONDS = 60 * LONGEST_MINUTES
_BARE_ID: Final = re.compile(r"[A-Za-z0-9_]{1,254}")


class Dependency(StrEnum):
    """The kind of object a workflow runs on."""

    USER = "USER"
    DEVICE = "DEVICE"
    USER_AND_DEVICE = "USER_AND_DEVICE"
    NONE = "NONE"


class TriggerMethod(StrEnum):
    """How a workflow may be triggered."""

    API = "API"
    MANUAL = "MANUAL"
    MANUAL_MULTIPLE = "MANUAL_MULTIPLE"
    SCHEDULER = "SCHEDULER"


def _name_sources(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Say in a JSON Schema which field of the API's answer each field is read from."""
    for name, described in schema.get("properties", {}).items():
        if (field := model.model_fields.get(name)) and not field.json_schema_extra:
            described |= {"x-source": "api", "x-detail": field.alias or name}


class Lenient(BaseModel):
    """Something read from the tenant: unknown fields are ignored, null is as good as absent."""

    model_config = ConfigDict(
        frozen=True,
        validate_by_name=True,
        hide_input_in_errors=True,
        json_schema_extra=_name_sources,
    )

    @model_validator(mode="before")
    @classmethod
    def _take_null_as_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}


class _Named(Lenient):
    """What has an NQL id; the lists of some tenants have the ids without their #."""

    id: str

    @property
    def nql_id(self) -> str:
        """Its NQL id with #; another id unchanged."""
        return f"#{self.id}" if _BARE_ID.fullmatch(self.id) else self.id

    def with_nql_id(self) -> Self:
        """Return it under its NQL id."""
        return self.model_copy(update={"id": self.nql_id})


class Targeting(Lenient):
    """How a remote action may be triggered."""

    api_enabled: bool = Field(default=False, alias="apiEnabled")
    manual_enabled: bool = Field(default=False, alias="manualEnabled")
    workflow_enabled: bool = Field(default=False, alias="workflowEnabled")
    manual_allow_multiple_devices: bool = Field(default=False, alias="manualAllowMultipleDevices")


class ActionInput(Lenient):
    """A parameter of a remote action; `options` are suggestions if custom values are allowed."""

    id: str
    name: str = ""
    description: str = ""
    used_by_windows: bool = Field(default=False, alias="usedByWindows")
    used_by_mac: bool = Field(default=False, alias="usedByMacOs")
    options: tuple[str, ...] = ()
    allow_custom_value: bool = Field(default=False, alias="allowCustomValue")


class ActionOutput(Lenient):
    """A value that a remote action reports, with its type."""

    id: str
    name: str = ""
    type: str = ""
    description: str = ""
    used_by_windows: bool = Field(default=False, alias="usedByWindows")
    used_by_mac: bool = Field(default=False, alias="usedByMacOs")


class ScriptInfo(Lenient):
    """The script of a remote action; `run_as` is LOCAL_SYSTEM, INTERACTIVE_USER or a delegate."""

    run_as: str = Field(default="", alias="runAs")
    timeout_seconds: int = Field(default=0, alias="timeoutSeconds")
    has_windows: bool = Field(default=False, alias="hasScriptWindows")
    has_mac: bool = Field(default=False, alias="hasScriptMacOs")
    delegate: str = Field(default="", alias="executionServiceDelegate")
    inputs: tuple[ActionInput, ...] = ()
    outputs: tuple[ActionOutput, ...] = ()

    @field_validator("timeout_seconds", mode="before")
    @classmethod
    def _take_only_seconds(cls, given: Any) -> Any:
        # One action's odd number must not make the whole list unreadable.
        return given if isinstance(given, int) and 0 <= given <= LONGEST_SECONDS else 0


class RemoteAction(_Named):
    """A remote action; `purpose` is DATA_COLLECTION, REMEDIATION or both."""

    uuid: str = ""
    name: str = ""
    description: str = ""
    origin: str = ""
    version: str = Field(default="", alias="builtInContentVersion")
    purpose: tuple[str, ...] = ()
    targeting: Targeting = Targeting()
    script: ScriptInfo = Field(default=ScriptInfo(), alias="scriptInfo")


class WorkflowInput(Lenient):
    """A parameter of a workflow; `type`, `required` and `options` are None where not sent.

    The specification describes no parameter, so they are read under the names that the other APIs
    have, and one of an unexpected form counts as not sent.
    """

    name: str = Field(validation_alias=AliasChoices("name", "id"))
    description: str = ""
    type: str | None = None
    required: bool | None = None
    options: tuple[str, ...] | None = None

    @field_validator("description", mode="before")
    @classmethod
    def _take_only_text(cls, given: Any) -> Any:
        return given if isinstance(given, str) else ""

    @field_validator("type", mode="before")
    @classmethod
    def _take_only_a_word(cls, given: Any) -> Any:
        return given if isinstance(given, str) else None

    @field_validator("required", mode="before")
    @classmethod
    def _take_only_yes_or_no(cls, given: Any) -> Any:
        return given if isinstance(given, bool) else None

    @field_validator("options", mode="before")
    @classmethod
    def _take_only_texts(cls, given: Any) -> Any:
        is_list = isinstance(given, list | tuple)
        return given if is_list and all(isinstance(each, str) for each in given) else None


class WorkflowVersion(Lenient):
    """A version of a workflow; `parameters` are names, as far as they could be read.

    The vendor publishes no usable schema; this is the shape that a live tenant sent.
    """

    version: Any = None
    status: str = ""
    valid: bool = False
    has_device: bool | None = Field(default=None, alias="hasDevice")
    has_user: bool | None = Field(default=None, alias="hasUser")
    inputs: tuple[WorkflowInput, ...] = Field(default=(), alias="parameters")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return tuple(each.name for each in self.inputs)

    @field_validator("inputs", mode="before")
    @classmethod
    def _read_named(cls, given: Any) -> list[Any]:
        """Take a list or an object by name, of descriptions or mere names; skip those without."""
        if isinstance(given, dict):
            given = [
                (each if isinstance(each, dict) else {}) | {"name": name}
                for name, each in given.items()
            ]
        entries = given if isinstance(given, list | tuple) else []
        described = ({"name": each} if isinstance(each, str) else each for each in entries)
        return [
            each
            for each in described
            if isinstance(each, WorkflowInput)
            or (isinstance(each, dict) and isinstance(each.get("name") or each.get("id"), str))
        ]


class TriggerMethods(Lenient):
    """How a workflow may be triggered, in the tenant's own form."""

    api: bool = Field(default=False, alias="apiEnabled")
    manual: bool = Field(default=False, alias="manualEnabled")
    manual_multiple: bool = Field(default=False, alias="manualAllowMultipleInstances")
    scheduler: bool = Field(default=False, alias="schedulingEnabled")


class Workflow(_Named):
    """A workflow; `status` is ACTIVE or INACTIVE."""

    uuid: str = ""
    name: str = ""
    description: str = ""
    status: str = ""
    last_update_time: str = Field(default="", alias="lastUpdateTime")
    trigger_methods: TriggerMethods = Field(default=TriggerMethods(), alias="triggerMethods")
    versions: tuple[WorkflowVersion, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it can be triggered."""
        return self.status == "ACTIVE"

    @property
    def triggers(self) -> tuple[TriggerMethod, ...]:
        """The ways in which it may be triggered."""
        enabled = self.trigger_methods
        ways = (enabled.api, enabled.manual, enabled.manual_multiple, enabled.scheduler)
        return tuple(way for way, open_ in zip(TriggerMethod, ways, strict=True) if open_)

    @property
    def current(self) -> WorkflowVersion | None:
        """The version that runs: the active one, otherwise the one listed last."""
        active = [each for each in self.versions if each.status == "ACTIVE"]
        chosen = active or self.versions
        return chosen[-1] if chosen else None

    @property
    def dependency(self) -> Dependency | None:
        """The kind of object its current version runs on; None if the tenant does not say."""
        version = self.current
        if version is None or version.has_device is None or version.has_user is None:
            return None
        if version.has_device and version.has_user:
            return Dependency.USER_AND_DEVICE
        if version.has_device:
            return Dependency.DEVICE
        return Dependency.USER if version.has_user else Dependency.NONE
