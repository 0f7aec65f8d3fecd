"""The campaigns API: asking people."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.nexthink.acting.acting import act
from connectors.nexthink.acting.answers import CampaignAnswer
from connectors.nexthink.acting.requests import CampaignRequest
from connectors.nexthink.api import Api
from connectors.nexthink.models import TenantId

PERMISSION: Final = "Campaigns"
TRIGGER_PATH: Final = "/api/v1/euf/campaign/trigger"


class _Triggered(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    user_sid: str = Field(alias="userSid")
    # Empty where there is none.
    request_id: TenantId | Literal[""] | None = Field(default=None, alias="requestId")
    message: str | None = None


class _TriggeredAll(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    requests: list[_Triggered] = Field(min_length=1)


class CampaignsApi:
    """The operation on campaigns, as `client.campaigns`; the API cannot list or describe them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def trigger(self, request: CampaignRequest) -> tuple[CampaignAnswer, ...]:
        """Send a campaign to users; return the tenant's answer for each of them.

        A user without a request id was not reached. The tenant leaves out repeated users, and
        nothing is known about a user it does not mention.

        Raises:
            PipelineError: as `acting.act`.
        """
        answer = act(
            self._api,
            TRIGGER_PATH,
            _TriggeredAll,
            permission=PERMISSION,
            body=request.body(),
        )
        return tuple(
            CampaignAnswer(each.user_sid, each.request_id or None, each.message)
            for each in answer.requests
        )
