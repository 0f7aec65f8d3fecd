"""What a Prefect server has, and its errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.objects import WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound

from connectors.errors import AccessError, ConfigurationError, UnavailableError
from nxp.deployment.files import OURS

PAGE = 200
# The block that holds the address alerts are sent to.
WEBHOOK = "nexthink-alerts"


@dataclass(slots=True)
class ServerInventory:
    """What the server has, by name; deployments as flow/deployment."""

    pools: dict[str, WorkPool]
    deployments: dict[str, DeploymentResponse]
    automations: dict[str, Automation]
    webhook: UUID | None = None
    webhook_url: str | None = field(default=None, repr=False)

    @property
    def ours(self) -> dict[str, DeploymentResponse]:
        """The deployments created by `nxp deploy`."""
        return {name: each for name, each in self.deployments.items() if OURS in each.tags}


@contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """Yield a client of the server at PREFECT_API_URL.

    Raises:
        UnavailableError: the server does not answer.
        AccessError: it refuses the credential.
        ConfigurationError: it refuses what it was sent.
    """
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        where = f"{error.request.method} {error.request.url.path}: HTTP {status}"
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise AccessError(
                f"the Prefect server refuses the credential: set PREFECT_API_AUTH_STRING ({where})"
            ) from None
        if status in {httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.CONFLICT}:
            raise ConfigurationError(
                "the Prefect server refuses what it was sent: run nxp deploy again, or see if it "
                f"has another version ({where})"
            ) from None
        raise UnavailableError(f"the Prefect server cannot answer now ({where})") from None
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the Prefect server does not answer ({type(error).__name__}): check that it runs at "
            "PREFECT_API_URL"
        ) from None


def look(client: SyncPrefectClient) -> ServerInventory:
    """Return what the server has."""
    deployments = _deployments(client)
    flows = _flow_names(client, {each.flow_id for each in deployments})
    webhook = _webhook()
    return ServerInventory(
        pools={pool.name: pool for pool in client.read_work_pools(limit=PAGE)},
        deployments={f"{flows[each.flow_id]}/{each.name}": each for each in deployments},
        automations={each.name: each for each in _automations(client)},
        webhook=webhook and webhook._block_document_id,  # noqa: SLF001 - it has no public name
        webhook_url=webhook and webhook.url.get_secret_value(),
    )


def _deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    found: list[DeploymentResponse] = []
    while page := client.read_deployments(limit=PAGE, offset=len(found)):
        found += page
        if len(page) < PAGE:
            break
    return found


def _automations(client: SyncPrefectClient) -> list[Automation]:
    found: list[Automation] = []
    while page := client.read_automations(limit=PAGE, offset=len(found)):
        found += page
        if len(page) < PAGE:
            break
    return found


def _flow_names(client: SyncPrefectClient, ids: set[UUID]) -> dict[UUID, str]:
    names: dict[UUID, str] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), PAGE):
        some = FlowFilter(id=FlowFilterId(any_=wanted[start : start + PAGE]))
        names |= {flow.id: flow.name for flow in client.read_flows(flow_filter=some, limit=PAGE)}
    return names


def _webhook() -> Any:
    try:
        return Webhook.load(WEBHOOK)
    except (ValueError, ObjectNotFound):
        return None
