"""`nxp campaigns`: the raw operations on campaigns."""

from typing import Annotated

from cyclopts import Parameter

from connectors.nexthink import MOST_TARGETS
from connectors.nexthink.acting.requests import CampaignRequest, nql_id
from nxp.options import (
    CampaignId,
    Json,
    Parameters,
    Tenant,
    Wait,
    Whole,
    parse_parameters,
    read_wait,
)
from nxp.recipients import read_recipients
from nxp.shown import Read, show_rows

DEFAULT_EXPIRY_MINUTES = 1_440
Recipients = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help="One SID a line; or CSV or JSON with sid, and a column for each parameter.",
    ),
]


def trigger(
    campaign_id: CampaignId,
    *,
    sids: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="SIDs of users, separated by commas."),
    ] = (),
    file: Recipients = None,
    expires: Annotated[
        Whole, Parameter(help="Minutes from now until it expires, 1 to 525600.")
    ] = DEFAULT_EXPIRY_MINUTES,
    parameter: Parameters = (),
    wait: Wait = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send the campaign CAMPAIGN_ID to users and journal it; for many users, use nxp act.

    Users with equal parameters are one request; more than 10,000 of them are several.
    """
    from nxp.raw import SendOptions, send  # noqa: PLC0415 - httpx
    from tasks.act.raw import split  # noqa: PLC0415 - polars, not for --help

    named = nql_id(campaign_id)
    given = [sid for each in sids for sid in each.split(",")]
    values = parse_parameters(parameter)
    found = read_recipients(given, file, values, "--sids or --file")
    parts = [
        (group.parameters, part, places)
        for group in found.groups
        for part, places in zip(
            split(group.sids, MOST_TARGETS), split(group.positions, MOST_TARGETS), strict=True
        )
    ]
    requests = [
        CampaignRequest(named, part, expires_in_minutes=expires, parameters=own)
        for own, part, _ in parts
    ]
    how = SendOptions(
        read_back=f"nxp campaigns responses '{named}'",
        duplicates=found.duplicates,
        positions=[places for _, _, places in parts],
        wait=read_wait(wait),
    )
    send(requests, tenant, how, as_json=as_json)


def responses(
    campaign_id: Annotated[str | None, Parameter(help="The NQL id of a campaign.")] = None,
    *,
    read: Read = None,
) -> None:
    """Print the responses to the campaign CAMPAIGN_ID, newest first; they name people."""
    show_rows("campaign", campaign_id, read)
