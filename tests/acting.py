"""A plain HTTP client of one stand-in tenant, for tests that enrich and act."""

import csv
import io
import time
from collections.abc import Mapping
from typing import Any, Self

import httpx

from sandbox.tenant import Tenant


class Client:
    """Calls the API with one credential."""

    def __init__(self, tenant: Tenant, client_id: str = "", client_secret: str = "") -> None:
        self.tenant = tenant
        answer = httpx.post(
            f"{tenant.login_url}/oauth2/default/v1/token",
            auth=(client_id or tenant.client_id, client_secret or tenant.client_secret),
            data={"grant_type": "client_credentials", "scope": "service:integration"},
        )
        headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
        # The sandbox has no TLS, and reading certificates takes longer than its answers.
        self.http = httpx.Client(
            base_url=tenant.api_url,
            headers=headers,
            trust_env=False,
            verify=False,  # noqa: S501
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.http.post(path, json=body, **more)

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def enrich(self, *enrichments: Any, domain: str = "test") -> httpx.Response:
        body = {"enrichments": list(enrichments), "domain": domain}
        return self.post("/api/v1/enrichment/data/fields", body)

    def export(self, query_id: str, **parameters: str) -> str:
        """Export to the end and return the export's id."""
        body = {"queryId": query_id, "parameters": parameters}
        started = self.post("/api/v1/nql/export", body)
        identity: str = started.json()["exportId"]
        for _ in range(500):
            status = self.get(f"/api/v1/nql/status/{identity}").json()["status"]
            if status not in ("SUBMITTED", "IN_PROGRESS"):
                return identity
            time.sleep(0.01)
        raise AssertionError("the export did not finish")

    def exported(self, query_id: str, **parameters: str) -> list[dict[str, str]]:
        """Export and return the rows of the file, every value as text."""
        status = self.get(f"/api/v1/nql/status/{self.export(query_id, **parameters)}").json()
        file = httpx.get(status["resultsFileUrl"], trust_env=False, verify=False)  # noqa: S501
        return list(csv.DictReader(io.StringIO(file.text)))

    def devices(self) -> list[dict[str, Any]]:
        """Return the devices of the inventory."""
        return self._objects("devices")

    def users(self) -> list[dict[str, Any]]:
        """Return the users of the inventory."""
        return self._objects("users")

    def _objects(self, name: str) -> list[dict[str, Any]]:
        texts = {
            "devices": "devices | list uid, name, collector.uid, last_seen",
            "users": "users | list uid, sid, upn, last_seen",
        }
        engine = self.tenant.engine
        prepared = engine.prepare(texts[name], {}, self.tenant.clock.now())
        return [row for piece in engine.rows(prepared) for row in piece.to_dicts()]


def enrichment(name: str, value: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return one object of an enrichment request."""
    written = [{"name": name, "value": value} for name, value in (fields or {}).items()]
    return {"identification": [{"name": name, "value": value}], "fields": written}
