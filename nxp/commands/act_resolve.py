"""`nxp act resolve`: what a person has found out about a request of unknown outcome."""

from typing import Annotated, Literal

from cyclopts import Parameter

from connectors.errors import UsageError
from nxp.acting import open_own_ledger
from nxp.options import Tenant
from nxp.output import say


def resolve(
    request: Annotated[str, Parameter(help="The id of the request.")],
    *,
    found: Annotated[
        Literal["sent", "not-sent"], Parameter(name="--as", help="What you found out.")
    ],
    why: Annotated[str, Parameter(help="How you know; it is kept.")],
    tenant: Tenant = None,
) -> None:
    """Record whether REQUEST, whose outcome is unknown, was sent: look in Nexthink first.

    `not-sent` frees its targets: a later plan may act on them.
    """
    from tasks.act.status import resolve_request  # noqa: PLC0415 - polars

    if not why.strip():
        raise UsageError("--why TEXT, how you know, is kept and must not be empty")
    with open_own_ledger(tenant) as ledger:
        resolve_request(ledger, request, sent=found == "sent", why=why.strip())
    say(f"request {request} counts as {found.replace('-', ' ')}")
