"""Kinds of actions, the uses they are made for, and what each API lets them have."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from connectors.nexthink.acting.limits import CAMPAIGN_EXPIRY_MINUTES, EXPIRY_MINUTES

MINUTE: Final = timedelta(minutes=1)


class ActionKind(StrEnum):
    """Which of the tenant's APIs runs the action."""

    REMOTE_ACTION = "remote_action"
    CAMPAIGN = "campaign"
    WORKFLOW = "workflow"


# In minutes; None where the API has no expiry.
EXPIRY: Final[dict[ActionKind, range | None]] = {
    ActionKind.REMOTE_ACTION: EXPIRY_MINUTES,
    ActionKind.CAMPAIGN: CAMPAIGN_EXPIRY_MINUTES,
    ActionKind.WORKFLOW: None,
}


class Scenario(StrEnum):
    """The four uses of an action, as the product's documentation names them."""

    ASSISTED_SERVICE = "assisted_service"
    SELF_HELP = "self_help"
    SELF_HEALING = "self_healing"
    ON_DEMAND_DATA = "on_demand_data"


class RunAs(StrEnum):
    """The account a remote action runs as: the tenant's setting, repeated in the YAML."""

    LOCAL_SYSTEM = "LOCAL_SYSTEM"
    INTERACTIVE_USER = "INTERACTIVE_USER"
    DELEGATE_TO_SERVICE = "DELEGATE_TO_SERVICE"


class Approval(StrEnum):
    """Whether a person has to approve each plan."""

    REQUIRED = "required"
    NONE = "none"


# The saved query that returns the outcomes of each kind.
READ_BACK: Final = {
    ActionKind.REMOTE_ACTION: "#remote_action_executions",
    ActionKind.CAMPAIGN: "#campaign_responses",
    ActionKind.WORKFLOW: "#workflow_executions",
}
