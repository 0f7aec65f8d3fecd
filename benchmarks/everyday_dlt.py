"""The script that a user would write with dlt instead of `nxp export devices`.

Usage: python -m benchmarks.everyday_dlt FOLDER, with NEXTHINK_API_URL, NEXTHINK_LOGIN_URL,
NEXTHINK_CLIENT_ID and NEXTHINK_CLIENT_SECRET set: token, export, poll, download, decompress, and
Parquet by dlt's filesystem destination. Rows go through as pyarrow's batches, dlt's quickest way.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

folder = Path(sys.argv[1])
os.environ |= {"DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}

import dlt  # noqa: E402 - reads its settings on import
import pyarrow as pa  # noqa: E402
import pyarrow.csv as pc  # noqa: E402
import requests  # noqa: E402

api, login = os.environ["NEXTHINK_API_URL"], os.environ["NEXTHINK_LOGIN_URL"]
credential = os.environ["NEXTHINK_CLIENT_ID"], os.environ["NEXTHINK_CLIENT_SECRET"]
form = {"grant_type": "client_credentials", "scope": "service:integration"}
session = requests.Session()


def asked(method: str, url: str, **options: Any) -> dict[str, Any]:
    """Send one request and return its JSON."""
    response = session.request(method, url, timeout=60, **options)
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found


@dlt.resource(name="devices", write_disposition="replace")  # type: ignore[untyped-decorator]
def devices() -> Iterator[pa.RecordBatch]:
    """Export the saved query #devices and yield its rows in batches."""
    token = asked("POST", f"{login}/oauth2/default/v1/token", auth=credential, data=form)
    session.headers["Authorization"] = f"Bearer {token['access_token']}"
    body = {"queryId": "#devices", "compression": "ZSTD"}
    started = asked("POST", f"{api}/api/v1/nql/export", json=body)
    status_url = f"{api}/api/v1/nql/status/{started['exportId']}"
    while (status := asked("GET", status_url))["status"] not in ("COMPLETED", "ERROR"):
        time.sleep(1)
    with requests.get(status["resultsFileUrl"], stream=True, timeout=60) as result:
        result.raise_for_status()
        yield from pc.open_csv(pa.CompressedInputStream(pa.PythonFile(result.raw, "r"), "zstd"))


destination = dlt.destinations.filesystem(bucket_url=(folder / "lake").as_uri())
pipeline = dlt.pipeline("everyday", destination=destination, dataset_name="nexthink")
pipeline.run(devices(), loader_file_format="parquet")
