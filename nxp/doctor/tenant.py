"""The check of the tenant: is it reached, does it accept the credential, does its clock agree."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from connectors.nexthink.client import NexthinkClient
from connectors.settings.tenants import TenantSettings
from nxp.doctor.clock import look_at_clock
from nxp.doctor.finding import Finding, ok
from nxp.doctor.retention import look_at_retention


def look_at_tenant(
    tenant: TenantSettings, catalog: Path, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Compare clocks, get a token, and see how far back the tenant keeps its data."""
    whose = f"tenant {tenant.name}"
    yield from look_at_clock("clock", tenant.login_url, whose=whose, clock=clock)
    with NexthinkClient(tenant) as client:
        client.authenticate()
        yield ok("tenant", f"{tenant.login_url} issued a token")
        yield from look_at_retention(client, tenant, catalog, clock)
