"""The campaigns route: trigger."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.actions.campaigns import CAMPAIGNS, Campaign
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, body_of
from sandbox.web.requests import CampaignBody


@answering(envelopes.campaigns)
async def trigger(request: Request) -> Response:
    """Send a campaign to users; an unknown user gets a message instead."""
    tenant = admit(request, "campaigns", envelopes.campaigns)
    asked = await body_of(request, CampaignBody, envelopes.campaigns)
    return await run_in_threadpool(_send, tenant, _triggerable(asked), asked)


def _send(tenant: Tenant, campaign: Campaign, asked: CampaignBody) -> Response:
    # A repeated user gets one answer.
    sids = list(dict.fromkeys(asked.user_sid))
    known = [sid for sid in sids if tenant.directory.find("user", "sid", sid)]
    accepted = tenant.actions.send(
        campaign.id,
        known,
        parameters=asked.parameters,
        expires_in_minutes=asked.expires_in_minutes,
    )
    requests = {sid: request.id for sid, request in zip(known, accepted, strict=True)}
    return JSONResponse({"requests": [_answer(sid, requests.get(sid)) for sid in sids]})


def _answer(sid: str, request: str | None) -> dict[str, str]:
    if request is None:
        return {"userSid": sid, "message": "There is no user of this SID."}
    return {"requestId": request, "userSid": sid}


def _triggerable(asked: CampaignBody) -> Campaign:
    campaign = CAMPAIGNS.get(asked.campaign_nql_id)
    if campaign is None:
        raise _bad("CAMPAIGN_NOT_FOUND", "There is no campaign of this id.")
    if not campaign.by_api:
        message = "The campaign is not of the kind that can be triggered."
        raise _bad("INVALID_CAMPAIGN_TRIGGER_TYPE", message)
    if not campaign.published:
        raise _bad("CAMPAIGN_NOT_PUBLISHED", "The campaign is not published.")
    if set(asked.parameters) != campaign.parameters:
        names = ", ".join(sorted(campaign.parameters)) or "none"
        raise _bad("INVALID_PARAMETERS", f"The parameters of the campaign are: {names}.")
    return campaign


def _bad(code: str, message: str) -> Refused:
    return Refused(envelopes.campaigns(400, code, message))
