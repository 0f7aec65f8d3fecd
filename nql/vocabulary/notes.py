"""Units, meanings, and what the names rest on."""

import re
from enum import StrEnum

from nql.kinds import Kind


class Evidence(StrEnum):
    """How a name is known."""

    DOCUMENTED = "documented"
    REPORTED = "reported"
    GUESSED = "guessed"


_UNITS = {
    Kind.BYTES: "bytes",
    Kind.DURATION: "seconds",
    Kind.DATETIME: "date and time in the tenant's zone",
}
# Where the type does not say it.
UNITS = {
    "device_performance.event.cpu_usage": "per cent of one processor",
    "device_performance.event.normalized_cpu_usage": "per cent",
    "connectivity.event.wifi.signal_strength": "dBm",
    "connectivity.event.wifi.noise_level": "dBm",
    "connectivity.event.wifi.receive_rate": "bits per second",
    "connectivity.event.wifi.transmission_rate": "bits per second",
    "dex.score.value": "0 to 100",
    "dex.application_score.value": "0 to 100",
    "dex.application_score.node.value": "0 to 100",
}

_MEANINGS = {
    "device.devices": "a device that a Collector monitors",
    "user.users": "an account, local or of the directory",
    "binary.binaries": "an executable file, by its hash",
    "application.applications": "a desktop or web application",
    "package.packages": "one version of an installable package",
    "package.installed_packages": "a package on a device",
    "execution.events": "what one binary used on a device, in a bucket of time",
    "execution.crashes": "a crash of a binary",
    "device_performance.events": "processor, memory and drives of a device, in a bucket of time",
    "device_performance.boots": "a boot of a device",
    "session.logins": "a person logging in on a device",
    "session.vdi_events": "a virtual session, in a bucket of time",
    "connection.events": "connections of one binary, in a bucket of time",
    "connectivity.events": "how a device was connected, in a bucket of time",
    "web.page_views": "a page that was shown",
    "collaboration.sessions": "one person's part of a call",
    "dex.scores": "the score of a user on a device, once a day",
    "dex.application_scores": "a node of an application's score, once a day",
    "remote_action.executions": "an execution of a remote action on a device",
    "workflow.executions": "an execution of a workflow",
    "campaign.responses": "a person's response to a campaign",
    "custom_trend.snapshots": "an object of a custom trend on one day",
    "web.errors": "errors of a web application on a device, at one moment",
    "web.transactions": "a transaction of a web application that somebody went through",
    "alert.alerts": "an alert that a monitor raised",
    "alert.impacts": "a device that an alert is about",
    "software_metering.events": "how long somebody used a metered application in a week",
    "platform.audit_logs": "something that an account did in the product, by its code",
    "platform.nql_api_logs": "a run of a saved query by the API",
}

# Tables of which only the name, or not even that, is published: their fields are guesses.
_GUESSED = frozenset(
    {
        "ai.tools", "ai.tool", "ai.interactions_summary", "application.guide_steps",
        "application.guide_step", "device.mobile_devices", "device.mobile_device",
        "application.network_applications", "application.pages", "application.transactions",
        "session.vdi_events", "device_performance.hypervisor_host_events",
        "software_metering.events", "usage.account_actions", "ticket.tickets",
        "agent.conversations", "custom_trend.snapshots",
        "platform.nql_api_logs", "platform.data_export_logs",
        "platform.inbound_connector_logs", "platform.custom_trends_logs",
        "remote_action.executions_summary", "workflow.executions_summary",
        "web.guide_executions", "web.guide_step_executions", "web.context_help_executions",
    }
)  # fmt: skip
# Guessed fields of tables whose other fields are published.
_GUESSED_FIELDS = frozenset(
    {
        "web.transaction.name", "web.transaction.duration", "web.transaction.status",
        "platform.audit_log.time", "platform.audit_log.type", "platform.audit_log.status",
        "platform.audit_log.user_name",
    }
)  # fmt: skip
_REPORTED = frozenset({"collaboration.sessions", "alert.alerts", "alert.impacts", "web.errors"})


# Fields that name a person, an account of theirs, or where to reach them.
_PERSONAL = re.compile(
    r"user\.(?:name|username|sid|upn)|user\.ad\.(?:full_name|username|email_address"
    r"|distinguished_name)|.*[._](?:user_?name|upn|sid|e_?mail|email_address|full_name)"
    r"|.*\.(?:comment|local_admins)(?:\..*)?",
    re.IGNORECASE,
)


def is_personal(field: str) -> bool:
    """Return whether a field, by its full name, names a person or may hold what one wrote."""
    return _PERSONAL.fullmatch(field) is not None


def unit_of(kind: Kind) -> str:
    """Return the unit in which a type is given in results, or an empty text."""
    return _UNITS.get(kind, "")


def meaning_of(table: str) -> str:
    """Return what a row of a table stands for, or an empty text where nothing says it."""
    return _MEANINGS.get(table, "")


def evidence_of(name: str, field: str = "") -> Evidence:
    """Return how the fields of a table or kind of object are known, or one field by its path."""
    if name in _GUESSED or field in _GUESSED_FIELDS:
        return Evidence.GUESSED
    return Evidence.REPORTED if name in _REPORTED else Evidence.DOCUMENTED
