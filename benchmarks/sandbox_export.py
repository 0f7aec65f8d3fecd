"""How fast the sandbox starts and serves one large export, and how much memory it takes.

Usage: python -m benchmarks.sandbox_export [--devices N] [--days N] [--rows N] [--compression C].
Prints one line: the seconds until the sandbox is ready, until the export is complete and until it
is downloaded, the export's size, and the peak memory of the sandbox's process.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cyclopts
import httpx
import psutil

from connectors.nexthink import Compression

QUERY = """execution.events during past {hours}h
| list event.start_time, event.end_time, device.uid, device.name, user.uid, binary.name,
  binary.version, event.cpu_time, event.real_memory, event.incoming_traffic
"""


def measure(
    *,
    devices: int = 100_000,
    days: int = 7,
    rows: int = 5_000_000,
    compression: Compression = Compression.ZSTD,
) -> None:
    """Start a sandbox, export up to ROWS rows, download them, and stop the sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "big.nql").write_text(QUERY.format(hours=24 * days))
        command = ["sandbox", "--json", "--devices", str(devices), "--days", str(days)]
        limits = ["--row-limit", str(rows), "--reach-limit", "off", "--queries", folder]
        began = time.monotonic()
        with subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "nxp", *command, *limits],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                tenant = json.loads(process.stdout.readline() if process.stdout else "")
                ready = time.monotonic() - began
                exported, downloaded, size = _export(tenant, compression)
                peak = psutil.Process(process.pid).memory_info().rss
                peak = max(peak, _peak(process.pid))
            finally:
                process.terminate()
    print(
        f"{devices:,} devices x {days} days: ready {ready:.1f} s; {rows:,} rows {compression}: "
        f"complete {exported:.1f} s, downloaded {downloaded:.1f} s, {size / 1e6:,.0f} MB; "
        f"sandbox peak {peak / 2**20:,.0f} MiB"
    )


def _export(tenant: dict[str, str], compression: Compression) -> tuple[float, float, int]:
    """Return the seconds to complete and to download, and the bytes received."""
    token = httpx.post(
        f"{tenant['login_url']}/oauth2/default/v1/token",
        auth=(tenant["client_id"], tenant["client_secret"]),
        data={"grant_type": "client_credentials", "scope": "service:integration"},
    ).json()["access_token"]
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as api:
        began = time.monotonic()
        body = {"queryId": "#big", "compression": compression.value}
        started = api.post(f"{tenant['api_url']}/api/v1/nql/export", json=body).json()
        status_url = f"{tenant['api_url']}/api/v1/nql/status/{started['exportId']}"
        while (status := api.get(status_url).json())["status"] not in ("COMPLETED", "ERROR"):
            time.sleep(0.05)
    exported = time.monotonic() - began
    size = 0
    with httpx.stream("GET", status["resultsFileUrl"], timeout=60) as answer:
        for chunk in answer.iter_raw():
            size += len(chunk)
    return exported, time.monotonic() - began, size


def _peak(pid: int) -> int:
    """Return the peak memory of a process so far, in bytes, where the system reports it."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    cyclopts.run(measure)
