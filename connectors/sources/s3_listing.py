"""All keys of a bucket, also those that are not paths.

The client for object storage ends a listing at the first key with an empty folder (`a//b`) or a
control character. This one only lists, and is only used then.
"""

import hashlib
import hmac
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import httpx

from connectors.clock import utc_now
from connectors.http.proxies import SystemProxies

ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
TOKENS: Final = ("AWS_SESSION_TOKEN", "AWS_TOKEN")
SECONDS: Final = 60.0
NOTHING_SENT: Final = hashlib.sha256(b"").hexdigest()


def can_list() -> bool:
    """Return whether there is a key to sign with: other credentials cannot be used here."""
    return all(os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))


def list_objects(bucket: str, prefix: str, at_once: int = 1_000) -> Iterator[tuple[str, int]]:
    """Yield the key and the size of all objects whose key begins with a prefix.

    Bytes of a key that are not UTF-8 are surrogates, as in names of local files.

    Raises:
        httpx.HTTPError: the service refuses the listing, or cannot be reached.
    """
    query = {"list-type": "2", "encoding-type": "url", "max-keys": str(at_once), "prefix": prefix}
    with httpx.Client(transport=SystemProxies(), timeout=SECONDS) as client:
        while True:
            answer = client.send(_signed(client, bucket, query))
            answer.raise_for_status()
            page = ET.fromstring(answer.content)  # noqa: S314 - of the lake's own service
            name = page.tag.removesuffix("ListBucketResult")
            for each in page.iterfind(f"{name}Contents"):
                key = unquote_to_bytes((each.findtext(f"{name}Key") or "").replace("+", " "))
                yield key.decode("utf-8", "surrogateescape"), int(each.findtext(f"{name}Size") or 0)
            token = page.findtext(f"{name}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token


def _signed(client: httpx.Client, bucket: str, query: dict[str, str]) -> httpx.Request:
    """Return a request with version 4 of Amazon's signature."""
    region = _first(REGIONS) or "us-east-1"
    base = (_first(ENDPOINTS) or f"https://s3.{region}.amazonaws.com").rstrip("/")
    now = utc_now()
    path = f"{urlsplit(base).path}/{quote(bucket)}"
    pairs = "&".join(f"{quote(k, '')}={quote(v, '')}" for k, v in sorted(query.items()))
    headers = {
        "host": urlsplit(base).netloc,
        "x-amz-content-sha256": NOTHING_SENT,
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    if token := _first(TOKENS):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    asked = f"GET\n{path}\n{pairs}\n{lines}\n{names}\n{NOTHING_SENT}"
    scope = f"{now:%Y%m%d}/{region}/s3/aws4_request"
    signature = _signature(asked, scope, now)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    url = f"{base}/{quote(bucket)}?{pairs}"
    return client.build_request("GET", url, headers=headers)


def _signature(asked: str, scope: str, now: datetime) -> str:
    digest = hashlib.sha256(asked.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{scope}\n{digest}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
