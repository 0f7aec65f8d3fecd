"""Actions: what is done to whom, within which limits, from deployments/actions.

Only reads and validates; tasks/act finds the targets and sends the requests.
"""

from connectors.actions.kinds import READ_BACK, ActionKind, Approval, Scenario
from connectors.actions.loading import load_action, load_actions, read_actions, shared_ids
from connectors.actions.specification import (
    ACTION_PATTERN,
    ActionLimits,
    ActionSpecification,
    OutcomeSpecification,
)
from connectors.actions.targets import Choice, Consent, TargetSpecification

__all__ = [
    "ACTION_PATTERN",
    "READ_BACK",
    "ActionKind",
    "ActionLimits",
    "ActionSpecification",
    "Approval",
    "Choice",
    "Consent",
    "OutcomeSpecification",
    "Scenario",
    "TargetSpecification",
    "load_action",
    "load_actions",
    "read_actions",
    "shared_ids",
]
