"""Reading a credential stored on a Prefect server: a block of the type in flows/credentials.py.

Uses the server's REST API: importing Prefect takes two seconds, and connectors do not depend on
it. Address and login of the server come from the variables that Prefect itself reads.
"""

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from connectors.errors import AccessError, ConfigurationError, UnavailableError
from connectors.http.answers import ACCEPTED_ENCODING, read_answer_body
from connectors.http.proxies import SystemProxies
from connectors.limits import read_limits

BLOCK_TYPE: Final = "nexthink-credentials"
_REGISTER: Final = "prefect block register -m flows.credentials"
_SECONDS: Final = 20
_REFUSED: Final = frozenset({401, 403})


def read_block(
    name: str, environ: Mapping[str, str] | None = None, setting: str = "NEXTHINK_BLOCK"
) -> dict[str, str]:
    """Return the settings in a block, secrets in clear text.

    Args:
        name: the block's.
        environ: the variables, which name the server; by default those of this process.
        setting: what names the block: a variable, or a file, a profile and its key.

    Raises:
        ConfigurationError: no server is configured, or it has no such block.
        AccessError: the server refuses access to it.
        UnavailableError: the server does not answer.
    """
    environ = os.environ if environ is None else environ
    url = environ.get("PREFECT_API_URL", "").rstrip("/")
    if not url:
        raise ConfigurationError(
            f"{setting}: block {name!r} is on a Prefect server, and PREFECT_API_URL is not set"
        )
    answer = _ask(url, name, environ)
    if answer.status_code in _REFUSED:
        raise AccessError(
            f"the Prefect server at {url} does not show block {name!r}: set "
            "PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
        )
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ConfigurationError(
            f"{setting}: the Prefect server at {url} has no block {BLOCK_TYPE}/{name}: "
            f"run {_REGISTER}, then create it in the UI"
        )
    try:
        data: Mapping[str, Any] = dict(answer.raise_for_status().json()["data"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise UnavailableError(
            f"the Prefect server at {url} does not return block {name!r} "
            f"(HTTP {answer.status_code})"
        ) from None
    return {key: str(value) for key, value in data.items() if value not in {None, ""}}


def _ask(url: str, name: str, environ: Mapping[str, str]) -> httpx.Response:
    path = f"{url}/block_types/slug/{BLOCK_TYPE}/block_documents/name/{quote(name, safe='')}"
    headers = {"Accept-Encoding": ACCEPTED_ENCODING}
    if key := environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    basic = environ.get("PREFECT_API_AUTH_STRING", "")
    auth = httpx.BasicAuth(*basic.split(":", 1)) if ":" in basic else None
    try:
        with (
            httpx.Client(transport=SystemProxies(), timeout=_SECONDS, auth=auth) as client,
            client.stream("GET", path, params={"include_secrets": "true"}, headers=headers) as sent,
        ):
            answer = read_answer_body(sent, read_limits())
            answer.request = sent.request
            return answer
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UnavailableError(
            f"no Prefect server answers at PREFECT_API_URL ({url}), which keeps block {name!r}"
        ) from None
