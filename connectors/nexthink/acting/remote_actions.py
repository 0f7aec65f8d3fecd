"""The remote actions API: list, details, and acting on devices."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from pydantic import RootModel

from connectors.errors import Exchange, UsageError
from connectors.http.policy import Retry
from connectors.nexthink.acting.acting import act
from connectors.nexthink.acting.answers import RemoteActionAnswer
from connectors.nexthink.acting.models import RemoteAction
from connectors.nexthink.acting.requests import RemoteActionRequest, nql_id
from connectors.nexthink.api import Api, read_answer

PERMISSION: Final = "Remote Actions"
LIST_PATH: Final = "/api/v1/act/remote-action"
DETAILS_PATH: Final = "/api/v1/act/remote-action/details"
EXECUTE_PATH: Final = "/api/v1/act/execute"


class _Listed(RootModel[list[RemoteAction]]):
    pass


class RemoteActionsApi:
    """The operations on remote actions, as `client.remote_actions`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self) -> list[RemoteAction]:
        """Return all remote actions; the API has no filter, use `choose_remote_actions`."""
        response = self._api.call("GET", LIST_PATH, permission=PERMISSION, retry=Retry.READ)
        return read_answer(_Listed, response).root

    def details(self, action_id: str) -> RemoteAction:
        """Return one remote action by its NQL id, with or without #.

        Raises:
            UsageError: the tenant has none with this id.
        """
        named = nql_id(action_id)

        def missing(exchange: Exchange) -> UsageError:
            return UsageError(
                f"the tenant has no remote action {named}: nxp remote-actions list shows all",
                exchange=exchange,
            )

        response = self._api.call(
            "GET",
            f"{DETAILS_PATH}?{urlencode({'nql-id': named})}",
            permission=PERMISSION,
            retry=Retry.READ,
            missing=missing,
        )
        return read_answer(RemoteAction, response)

    def execute(self, request: RemoteActionRequest) -> RemoteActionAnswer:
        """Trigger a remote action on devices; never sent again if it may have been done.

        Raises:
            PipelineError: as `acting.act`.
        """
        return act(
            self._api,
            EXECUTE_PATH,
            RemoteActionAnswer,
            permission=PERMISSION,
            body=request.body(),
        )


def choose_remote_actions(
    actions: Iterable[RemoteAction],
    *,
    has_windows: bool | None = None,
    has_mac: bool | None = None,
    api_enabled: bool | None = None,
    purpose: str | None = None,
) -> list[RemoteAction]:
    """Return the remote actions that match; a filter of None matches all."""
    return [
        action
        for action in actions
        if has_windows in (None, action.script.has_windows)
        and has_mac in (None, action.script.has_mac)
        and api_enabled in (None, action.targeting.api_enabled)
        and (purpose is None or purpose in action.purpose)
    ]
