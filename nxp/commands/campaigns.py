"""`nxp campaigns`: the raw operations on campaigns."""

from typing import Annotated

from cyclopts import Parameter

from connectors.nexthink import MOST_TARGETS
from connectors.nexthink.acting.requests import CampaignRequest, nql_id
from nxp.options import Json, Parameters, Since, Tenant, parse_parameters
from nxp.shown import show_rows
from nxp.targets import TargetFile, read_targets

DEFAULT_EXPIRY_MINUTES = 1_440


def trigger(
    campaign_id: str,
    *,
    sids: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="SIDs of users, separated by commas."),
    ] = (),
    file: TargetFile = None,
    expires: Annotated[
        int, Parameter(help="Minutes from now until it expires, 1 to 525600.")
    ] = DEFAULT_EXPIRY_MINUTES,
    parameter: Parameters = (),
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send the campaign CAMPAIGN_ID to users and journal it; for many users, use nxp act.

    More than 10,000 users are split into several requests.
    """
    from nxp.raw import send  # noqa: PLC0415
    from tasks.act.raw import split  # noqa: PLC0415 - polars, not for --help

    named = nql_id(campaign_id)
    given = [sid for each in sids for sid in each.split(",")]
    targets = read_targets(given, file, "--sids or --file")
    values = parse_parameters(parameter)
    requests = [
        CampaignRequest(named, part, expires_in_minutes=expires, parameters=values)
        for part in split(targets.names, MOST_TARGETS)
    ]
    send(
        requests,
        tenant,
        duplicates=targets.duplicates,
        as_json=as_json,
        read_back=f"nxp campaigns responses '{named}'",
    )


def responses(
    campaign_id: str, *, since: Since = None, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Print the responses to the campaign CAMPAIGN_ID, newest first; they name people."""
    show_rows("campaign", campaign_id, since=since, tenant=tenant, as_json=as_json)
