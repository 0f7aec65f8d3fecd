"""The check of the tenant: is it reached, does it accept the credential, does its clock agree."""

from collections.abc import Callable, Iterator
from datetime import datetime

from connectors.nexthink.client import NexthinkClient
from connectors.settings.tenants import TenantSettings
from nxp.doctor.clock import look_at_clock
from nxp.doctor.finding import Finding, ok


def look_at_tenant(tenant: TenantSettings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Compare clocks, and get a token."""
    whose = f"tenant {tenant.name}"
    yield from look_at_clock("clock", tenant.login_url, whose=whose, clock=clock)
    with NexthinkClient(tenant) as client:
        client.authenticate()
    yield ok("tenant", f"{tenant.login_url} issued a token")
