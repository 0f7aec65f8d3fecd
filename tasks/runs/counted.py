"""Clients whose requests are counted, and limited, with those of all processes of a ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from connectors.clock import utc_now
from connectors.http.policy import LONGEST_WAIT
from connectors.ledger import Asker, CallKind, Ledger, open_ledger
from connectors.ledger.gate import CallGate, Daily
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant


def call_gate(
    ledger: Ledger,
    tenant: TenantSettings,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    asker: Asker = Asker.PERSON,
) -> CallGate:
    """Return the gate that each call of this process passes; all processes share its limits."""
    return CallGate(
        ledger.limits,
        per_second=tenant.calls_per_second,
        per_day=tenant.daily_calls,
        longest_wait=LONGEST_WAIT,
        clock=clock,
        sleep=sleep,
        daily=Daily(
            tenant.daily_exports,
            tenant.daily_executes,
            {kind: tenant.named(f"daily_{kind}") for kind in CallKind},
        ),
        asker=asker,
    )


@contextmanager
def counted_client(
    settings: Settings, tenant: TenantSettings, asker: Asker = Asker.PERSON
) -> Iterator[tuple[NexthinkClient, Ledger]]:
    """Open a client outside of any run, and the ledger that counts its requests.

    Args:
        settings: of the installation.
        tenant: address and credential.
        asker: who asks; when little of a limit is left, others may come first.

    Raises:
        ConfigurationError: the ledger cannot be opened.
    """
    url = settings.ledger_url.get_secret_value()
    with open_ledger(url, tenant.name) as ledger:
        gate = call_gate(ledger, tenant, utc_now, time.sleep, asker)
        with (
            closing(gate),
            NexthinkClient(tenant, None, utc_now, time.sleep, tenant.reread, gate) as client,
        ):
            yield client, ledger


@contextmanager
def client_of(tenant: str | None) -> Iterator[NexthinkClient]:
    """Open a client by the settings, as `counted_client` does; `tenant` is a profile's name."""
    settings = load_settings()
    with counted_client(settings, load_tenant(settings, tenant)) as (client, _):
        yield client
