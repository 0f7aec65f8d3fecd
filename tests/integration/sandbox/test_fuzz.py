"""The sandbox over TCP with requests generated from the vendor's files, valid and invalid."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sandbox.actions.campaigns import CAMPAIGNS
from sandbox.actions.remote_actions import REMOTE_ACTIONS
from sandbox.actions.workflows import WORKFLOWS
from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant
from tests import vendor
from tests.sampling import sampled

if not vendor.is_here():
    pytest.skip(vendor.ABSENT, allow_module_level=True)

EXAMPLES = sampled(8)
# The checks of a third-party tool. One is left out, that every well-formed request succeeds, since
# most generated ids do not exist.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPERATIONS = [
    (name, *each, mode)
    for name in vendor.NAMES
    for each in vendor.operations(name)
    for mode in GenerationMode
    # Any text may be an export's id, so no request for its status is malformed.
    if each[1] != "/api/v1/nql/status/{exportId}" or mode is GenerationMode.POSITIVE
]
# Ids that exist, used in every other request: generated ones never pass the first check.
KNOWN = {
    "queryId": ["#devices", "#by_name"],
    "remoteActionId": list(REMOTE_ACTIONS),
    "nql-id": list(REMOTE_ACTIONS),
    "workflowId": list(WORKFLOWS),
    "nqlId": list(WORKFLOWS),
    "workflowUuid": [workflow.uuid for workflow in WORKFLOWS.values()],
    "campaignNqlId": list(CAMPAIGNS),
}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    queries: Path = tmp_path_factory.mktemp("queries")
    (queries / "devices.nql").write_text("devices | list uid, name, hardware.memory")
    (queries / "by_name.nql").write_text("devices | where name == $name | list name")
    with running(SandboxOptions(queries=queries, now=NOW, devices=30)) as served:
        yield served


@pytest.fixture(scope="module")
def headers(tenant: Tenant) -> dict[str, str]:
    answer = httpx.post(
        f"{tenant.login_url}/oauth2/default/v1/token",
        auth=(tenant.client_id, tenant.client_secret),
        data={"grant_type": "client_credentials", "scope": "service:integration"},
    )
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def put_known_ids(data: st.DataObject, part: Any) -> None:
    for name in KNOWN.keys() & (part if isinstance(part, dict) else {}):
        part[name] = data.draw(st.sampled_from(KNOWN[name]))


@pytest.mark.parametrize(("name", "method", "path", "mode"), OPERATIONS)
def test_every_answer_is_a_documented_one(
    tenant: Tenant, headers: dict[str, str], name: str, method: str, path: str, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(vendor.specification(name))
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def fuzz(case: schemathesis.Case[Any], data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            for part in (case.body, case.query, case.path_parameters):
                put_known_ids(data, part)
        answer = case.call(base_url=tenant.api_url, headers=headers)
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    fuzz()


@pytest.mark.slow
@pytest.mark.parametrize("name", vendor.NAMES)
def test_a_tool_that_nobody_here_wrote_finds_no_fault(
    tenant: Tenant, headers: dict[str, str], name: str, tmp_path: Path
) -> None:
    """Run the tool's own command: its phase `coverage` tries every bound of every field."""
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(vendor.specification(name)))
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(file)]
    command += ["--url", tenant.api_url, "--checks", ",".join(CHECKS)]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)]
    command += ["--seed", "1", "--no-color", "--suppress-health-check", "all"]
    command += ["--header", f"Authorization: {headers['authorization']}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
