"""`nxp act retire-ledger`: another ledger of ours no longer acts."""

from typing import Annotated

from cyclopts import Parameter

from connectors.errors import UsageError
from nxp.acting import open_own_ledger
from nxp.options import Tenant
from nxp.output import say


def retire_ledger(
    ledger: Annotated[str, Parameter(help="The id that the error names.")],
    *,
    why: Annotated[str, Parameter(help="Why it is out of use; it is kept.")],
    tenant: Tenant = None,
) -> None:
    """Record that LEDGER, another one of ours, is out of use, so that this one may act.

    LEDGER is the id that the error names. Its requests still count for cool-downs.
    """
    if not why.strip():
        raise UsageError("--why TEXT, why it is out of use, is kept and must not be empty")
    with open_own_ledger(tenant) as own:
        own.identity.retire(ledger, why.strip())
    say(f"ledger {ledger.strip().lower()} counts as retired")
