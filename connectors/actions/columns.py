"""The columns that an action's saved queries have to list."""

from typing import Final

from connectors.actions.kinds import ActionKind

DEVICE: Final = "device.collector.uid"
PERSON: Final = "user.sid"
_OUTCOMES: Final = {
    ActionKind.REMOTE_ACTION: (
        DEVICE,
        "remote_action.execution.request_id",
        "remote_action.execution.request_time",
        "remote_action.execution.status",
    ),
    ActionKind.WORKFLOW: (
        "workflow.execution.request_id",
        "workflow.execution.request_time",
        "workflow.execution.status",
    ),
    ActionKind.CAMPAIGN: (PERSON, "campaign.response.first_targeted", "campaign.response.state"),
}


def needed_columns(kind: ActionKind) -> tuple[str, ...]:
    """Return the columns that a query which reads executions back has to list."""
    return _OUTCOMES[kind]


def target_column(kind: ActionKind) -> str:
    """Return the column that a query of targets has to list."""
    return PERSON if kind is ActionKind.CAMPAIGN else DEVICE
