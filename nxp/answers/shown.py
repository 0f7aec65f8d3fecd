"""Answers of the commands that read back executions and responses by the shipped saved queries.

A row has the columns of the query as the tenant names them, in lower case, so it is open: a query
that lists more gives more. With `--query`, rows have the columns of that query. All values are
text.
"""

from collections.abc import Mapping
from types import GenericAlias, MappingProxyType
from typing import Annotated, Any, Final

from pydantic import ConfigDict, RootModel, create_model

from nxp.answers.sources import api, derived

_EXECUTION: Final = {
    "request_id": "Id of the request that `execute` or `trigger` returned.",
    "request_time": "When it was requested.",
    "time": "When its status changed last.",
    "status": "The tenant's word, such as success, failure, in_progress or expired.",
    "status_details": "The tenant's words about it.",
    "trigger_method": "What triggered it: api, manual, workflow and others.",
}
_REASON: Final = "The reason given; ours begin with nxp: and the id in the journal."
_OUTPUTS: Final = "What the script returned, as JSON."
_WORKFLOW: Final = {
    "execution_id": "Id of the execution; `nxp workflows resume` takes it.",
    "outcome": "The tenant's word, such as action_taken.",
    "outcome_details": "The tenant's words about it.",
}
_RESPONSE: Final = {
    "request_id": "Id of the request that `trigger` returned for the user.",
    "first_targeted": "When the user was first asked.",
    "time": "When the state changed last.",
    "state": "The tenant's word: targeted, answered, declined or expired.",
    "state_details": "The tenant's words about it.",
    "answers": "The answers by question, as JSON.",
    "trigger_method": "What triggered it.",
}
_USER: Final = {
    "user.sid": "The user.",
    "user.uid": "The user's id in Nexthink.",
    "user.upn": "The user's name for signing in.",
}
_DEVICE: Final = {
    "device.collector.uid": "The device, as actions name it.",
    "device.name": "Its name.",
}


class OtherRow(RootModel[dict[str, str | None]]):
    """One row of another saved query, with the columns that it lists; with --query."""


def _rows(
    name: str, doc: str, columns: Mapping[str, str], added: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """Return the type of a list of rows; `added` are columns that the query does not return."""
    fields: dict[str, Any] = {
        column: (Annotated[str | None, api(column, what)], ...) for column, what in columns.items()
    }
    fields |= {
        column: (Annotated[str | None, derived("workflows.details", what)], ...)
        for column, what in added.items()
    }
    made = create_model(name, __config__=ConfigDict(extra="allow"), __doc__=doc, **fields)
    return GenericAlias(list, (made,)) | list[OtherRow]


def _of(entity: str, columns: Mapping[str, str]) -> dict[str, str]:
    return {f"{entity}.{column}": what for column, what in columns.items()}


REMOTE_ACTION_EXECUTIONS: Final = _rows(
    "RemoteActionExecution",
    "One execution of a remote action on a device.",
    _of("remote_action.execution", _EXECUTION | {"reason": _REASON, "outputs": _OUTPUTS}) | _DEVICE,
)
WORKFLOW_EXECUTIONS: Final = _rows(
    "WorkflowExecution",
    "One execution of a workflow.",
    _of("workflow.execution", _EXECUTION | _WORKFLOW)
    | _DEVICE
    | {"device.uid": "Its id in Nexthink."}
    | _USER,
    {"workflow.uuid": "UUID of the workflow.", "workflow.name": "Its name."},
)
CAMPAIGN_RESPONSES: Final = _rows(
    "CampaignResponse",
    "The response of one user to a campaign.",
    _of("campaign.response", _RESPONSE) | {"user.sid": "The user: this names a person."},
)
