"""The workflows API: list, details, triggering by two kinds of ids, and resuming."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel, Field, RootModel, model_validator

from connectors.errors import UsageError
from connectors.http.policy import Retry
from connectors.nexthink.acting.acting import act
from connectors.nexthink.acting.answers import WorkflowAnswer
from connectors.nexthink.acting.limits import UUID, make_sure, source_problems
from connectors.nexthink.acting.models import Dependency, TriggerMethod, Workflow
from connectors.nexthink.acting.requests import (
    EventRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
    nql_id,
)
from connectors.nexthink.api import OK, Api, failure, read_answer
from connectors.nexthink.models import TenantId
from connectors.nexthink.refusal import answered

PERMISSION: Final = "Workflows"
LIST_PATH: Final = "/api/v1/workflows"
DETAILS_PATH: Final = "/api/v1/workflows/details"
TRIGGER_PATH: Final = "/api/v1/workflows/execute"
TRIGGER_BY_IDS_PATH: Final = "/api/v2/workflows/execute"

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404


class _Listed(RootModel[list[Workflow]]):
    # Details are documented as a list with one entry; a tenant may send just the entry.
    @model_validator(mode="before")
    @classmethod
    def _take_one_as_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given


class _Resumed(BaseModel):
    request_id: TenantId = Field(alias="requestUuid")


class _ResumedAll(RootModel[list[_Resumed]]):
    pass


class WorkflowsApi:
    """The operations on workflows, as `client.workflows`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(
        self,
        dependency: Dependency | None = None,
        trigger_method: TriggerMethod | None = None,
        *,
        only_active: bool = False,
        source: str | None = None,
    ) -> list[Workflow]:
        """Return the workflows that match the filters; `source` says who asks.

        The specification requires both filters, but live tenants accept requests without them. So
        an unset filter is left out at first; if that is refused, every value of it is requested.
        """
        make_sure("list of workflows", source_problems(source))
        first = self._ask(dependency, trigger_method, only_active=only_active, source=source)
        if first.status_code != _BAD_REQUEST:
            answers = [first]
        elif dependency and trigger_method:
            raise self._failure(first)
        else:
            answers = [
                self._accepted(self._ask(kind, method, only_active=only_active, source=source))
                for kind in ([dependency] if dependency else Dependency)
                for method in ([trigger_method] if trigger_method else TriggerMethod)
            ]
        found = {
            workflow.uuid or workflow.id: workflow
            for answer in answers
            for workflow in read_answer(_Listed, answer).root
        }
        return [each for each in found.values() if each.is_active or not only_active]

    def details(self, workflow_id: str, *, source: str | None = None) -> Workflow:
        """Return one workflow by its NQL id, with or without #, or by its UUID.

        `source` says who asks.

        Raises:
            UsageError: the tenant has none with this id.
        """
        make_sure("details of a workflow", source_problems(source))
        is_uuid = UUID.fullmatch(workflow_id) is not None
        named = workflow_id.lower() if is_uuid else nql_id(workflow_id)
        response = self._api.call(
            "GET",
            f"{DETAILS_PATH}?{urlencode({'nqlId': named})}",
            permission=PERMISSION,
            retry=Retry.READ,
            accepted=OK | {_BAD_REQUEST, _NOT_FOUND},
            headers=_headers(source),
        )
        found = read_answer(_Listed, response).root if response.status_code in OK else []
        if not found and is_uuid:
            # The operation is documented only for NQL ids.
            found = [each for each in self.list(source=source) if each.uuid.lower() == named]
        if not found:
            raise UsageError(
                f"the tenant has no workflow {named}: nxp workflows list shows all",
                exchange=answered(response, with_code=True),
            )
        return found[0]

    def trigger(self, request: WorkflowRequest) -> WorkflowAnswer:
        """Trigger a workflow by collector ids and SIDs; never sent again if it may be done.

        Raises:
            PipelineError: as `acting.act`.
        """
        return self._trigger(TRIGGER_PATH, request)

    def trigger_by_ids(self, request: WorkflowIdsRequest) -> WorkflowAnswer:
        """Trigger a workflow for objects by any of their names; otherwise like `trigger`."""
        return self._trigger(TRIGGER_BY_IDS_PATH, request)

    def resume(
        self,
        workflow_uuid: str,
        execution_uuid: str,
        parameters: Mapping[str, str] | None = None,
        *,
        source: str | None = None,
    ) -> tuple[str, ...]:
        """Resume an execution that waits for an event; return the ids of the requests.

        According to the specification the tenant may accept it without returning an id.

        Raises:
            PipelineError: as `acting.act`.
        """
        request = EventRequest(workflow_uuid, execution_uuid, parameters or {}, source)
        workflow, execution = (quote(each, safe="") for each in (workflow_uuid, execution_uuid))
        answer = act(
            self._api,
            f"/api/v1/workflows/workflows/{workflow}/execution/{execution}/trigger",
            _ResumedAll,
            permission=PERMISSION,
            body=request.body(),
            source=source,
        )
        return tuple(each.request_id for each in answer.root)

    def _trigger(self, path: str, request: WorkflowRequest | WorkflowIdsRequest) -> WorkflowAnswer:
        return act(
            self._api,
            path,
            WorkflowAnswer,
            permission=PERMISSION,
            body=request.body(),
            source=request.source,
        )

    def _ask(
        self,
        dependency: Dependency | None,
        trigger_method: TriggerMethod | None,
        *,
        only_active: bool,
        source: str | None,
    ) -> httpx.Response:
        filters = {
            "dependency": dependency,
            "triggerMethod": trigger_method,
            "fetchOnlyActiveWorkflows": "true" if only_active else None,
        }
        query = urlencode({name: value for name, value in filters.items() if value})
        return self._api.call(
            "GET",
            f"{LIST_PATH}?{query}" if query else LIST_PATH,
            permission=PERMISSION,
            retry=Retry.READ,
            accepted=OK | {_BAD_REQUEST},
            headers=_headers(source),
        )

    def _accepted(self, response: httpx.Response) -> httpx.Response:
        if response.status_code in OK:
            return response
        raise self._failure(response)

    def _failure(self, response: httpx.Response) -> Exception:
        return failure(response, permission=PERMISSION, now=self._api.clock())


def _headers(source: str | None) -> dict[str, str] | None:
    return {"Source": source} if source else None
