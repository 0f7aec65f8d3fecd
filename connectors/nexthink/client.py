"""The client of one Nexthink tenant: owns the connections and keeps the credential separate."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx

from connectors.clock import utc_now
from connectors.http.client import Gate, RetryTransport, build_client
from connectors.http.proxies import SystemProxies
from connectors.limits import read_limits
from connectors.nexthink.api import Api
from connectors.nexthink.auth import ClientCredentials, TokenSettings, named
from connectors.nexthink.enrichment import EnrichmentApi
from connectors.nexthink.nql import NqlApi
from connectors.nexthink.results.download import MAX_REDIRECTS, Storage
from connectors.nexthink.results.hosts import ResultHosts

if TYPE_CHECKING:
    from connectors.nexthink.acting.campaigns import CampaignsApi
    from connectors.nexthink.acting.devices import DevicesApi
    from connectors.nexthink.acting.remote_actions import RemoteActionsApi
    from connectors.nexthink.acting.spark import SparkApi
    from connectors.nexthink.acting.workflows import WorkflowsApi

__all__ = ["NexthinkClient", "TokenSettings"]


class NexthinkClient:
    """One tenant's API, safe to share between threads.

    Three HTTP clients share its connections: the one for the login host has the secret, the one
    for the API has the token, the one for result files has neither.

    Args:
        tenant: address and credential.
        transport: carries the requests instead of the network; closed with the client.
        clock: returns the current time, with zone.
        sleep: waits for some seconds.
        reread: reads the tenant's credential again, for each token after the first.
        gate: passed by each call of the API, for limits that processes share.
    """

    def __init__(
        self,
        tenant: TokenSettings,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        reread: Callable[[], TokenSettings] | None = None,
        gate: Gate | None = None,
    ) -> None:
        limits = read_limits()
        self._transport = RetryTransport(
            transport or SystemProxies(), clock=clock, sleep=sleep, limits=limits
        )
        login = build_client(self._transport, origin=tenant.login_url)
        self._credentials = ClientCredentials(tenant, login, clock, reread)
        api = build_client(self._transport, origin=tenant.api_url, auth=self._credentials)
        files = build_client(self._transport, max_redirects=MAX_REDIRECTS)
        hosts = ResultHosts(api.base_url, limits)
        # Each request is checked, also those that follow a redirect.
        files.event_hooks = {"request": [hosts.check], "response": [hosts.check_peer]}
        self._clients = (login, api, files)
        self._calls = Api(api, clock, gate, named(tenant, "api_url"))
        self.nql = NqlApi(self._calls, Storage(files, clock, sleep, limits))
        self.enrichment = EnrichmentApi(self._calls)

    @cached_property
    def remote_actions(self) -> "RemoteActionsApi":
        """The operations on remote actions."""
        # Imported only where it is used, since an export does not act.
        from connectors.nexthink.acting.remote_actions import RemoteActionsApi  # noqa: PLC0415

        return RemoteActionsApi(self._calls)

    @cached_property
    def workflows(self) -> "WorkflowsApi":
        """The operations on workflows."""
        from connectors.nexthink.acting.workflows import WorkflowsApi  # noqa: PLC0415 - only to act

        return WorkflowsApi(self._calls)

    @cached_property
    def campaigns(self) -> "CampaignsApi":
        """The operations on campaigns."""
        from connectors.nexthink.acting.campaigns import CampaignsApi  # noqa: PLC0415 - only to act

        return CampaignsApi(self._calls)

    @cached_property
    def devices(self) -> "DevicesApi":
        """The operation on devices: deleting them."""
        from connectors.nexthink.acting.devices import DevicesApi  # noqa: PLC0415 - only to act

        return DevicesApi(self._calls)

    @cached_property
    def spark(self) -> "SparkApi":
        """The operation of Spark: taking over a conversation."""
        from connectors.nexthink.acting.spark import SparkApi  # noqa: PLC0415 - only to act

        return SparkApi(self._calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def authenticate(self) -> None:
        """Request a token now; raise AccessError if the login host refuses the credential."""
        self._credentials.renew()

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the tenant's, by its last answer, if it said."""
        return self._calls.clock_ahead

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()
