"""Every operation has one name, whatever ids its URL contains."""

import httpx
import pytest

from connectors.http.exchanges import OTHER, operation_of
from connectors.nexthink import enrichment, nql
from connectors.nexthink.acting import campaigns, remote_actions, workflows
from connectors.nexthink.auth import TOKEN_PATH


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (TOKEN_PATH, "token"),
        ("/api/v2/nql/execute", "nql.execute"),
        (nql.EXPORT_PATH, "nql.export"),
        (f"{nql.STATUS_PATH}0b6e-1", "nql.status"),
        (enrichment.ENRICHMENT_PATH, "enrichment.push"),
        (remote_actions.EXECUTE_PATH, "remote_actions.execute"),
        (f"{remote_actions.DETAILS_PATH}?nql-id=%23a", "remote_actions.list"),
        (workflows.TRIGGER_PATH, "workflows.trigger"),
        (workflows.TRIGGER_BY_IDS_PATH, "workflows.trigger"),
        ("/api/v1/workflows/workflows/w/execution/e/trigger", "workflows.resume"),
        (workflows.LIST_PATH, "workflows.list"),
        (campaigns.TRIGGER_PATH, "campaigns.trigger"),
        ("/bucket/results/jane@acme.test.csv.zst?X-Amz-Signature=MARK", OTHER),
        ("/api/now/v2/table/cmdb_ci", OTHER),
    ],
)
def test_an_operation_is_named_without_what_its_address_holds(path: str, operation: str) -> None:
    assert operation_of(httpx.Request("GET", f"https://acme.test{path}")) == operation
