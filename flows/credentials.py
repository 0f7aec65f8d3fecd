"""The block `NexthinkCredentials`: a tenant's address and credential, kept by a Prefect server.

Register its type with `prefect block register -m flows.credentials`, make blocks of it in the UI or
with `save`, and name one in NEXTHINK_BLOCK or a profile. If the server's API needs no login, anyone
who reaches it can read the secret in clear text: see docs/credentials.md.
"""

from typing import ClassVar, Self

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, model_validator

from connectors.nexthink.client import NexthinkClient
from connectors.settings.blocks import BLOCK_TYPE
from connectors.settings.tenants import TenantSettings


class NexthinkCredentials(Block):
    """A tenant's address and API credential.

    Example:
        Save a block, and use its client:
        ```python
        from flows.credentials import NexthinkCredentials

        NexthinkCredentials(
            instance="acme", region="eu", client_id="...", client_secret="..."
        ).save("acme")
        with NexthinkCredentials.load("acme").get_client() as client:
            client.authenticate()
        ```
    """

    _block_type_name: ClassVar[str | None] = "Nexthink Credentials"
    _block_type_slug: ClassVar[str | None] = BLOCK_TYPE
    _description: ClassVar[str | None] = "A Nexthink tenant's address and API credential."

    instance: str = Field(description="The tenant's instance, as in its address.")
    region: str = Field(description="us, eu, pac or meta, or the region's name.")
    client_id: str = Field(description="Id of the API credential.")
    client_secret: SecretStr = Field(description="Secret of the API credential.")
    scope: str = Field(default="service:integration", description="OAuth scope to ask for.")
    api_url: str = Field(
        default="", description="Origin of the API; by default from instance and region."
    )
    login_url: str = Field(default="", description="Origin of the login host; by default likewise.")
    time_zone: str = Field(default="UTC", description="IANA zone in which the tenant shows times.")

    @model_validator(mode="after")
    def _makes_a_tenant(self) -> Self:
        """Raise when the block is made if no run could use it."""
        self.get_tenant()
        return self

    def get_tenant(self) -> TenantSettings:
        """Return the settings of the tenant."""
        fields = type(self).model_fields.keys() & TenantSettings.model_fields.keys()
        return TenantSettings.model_validate({name: getattr(self, name) for name in fields})

    def get_client(self) -> NexthinkClient:
        """Return an open client of the tenant; close it, or use it in a `with`."""
        return NexthinkClient(self.get_tenant())
