"""How much time and memory a whole sync takes, from a Parquet file to acknowledged values.

Usage: python -m benchmarks.enrichment_sync [--objects N] [--share S] [--runs N] [--stand-in-ms MS].
Runs three syncs in a row: all N objects of six fields for the first time, the same file again, and
a file in which a share S of the objects has changed. It compares them with a script that remembers
nothing: it reads the file, writes every object with the json module and sends it, every time. Both
send 5,000 objects a request, two requests at a time, to a stand-in that answers each after MS
milliseconds. Each run is a process of its own with a new SQLite file as its ledger. Prints the
median, minimum and maximum seconds and the peak memory of the process.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import cyclopts
import httpx
import polars as pl
import yaml

MEBIBYTE: Final = 2**20
SYNC: Final = "assets"
BATCH: Final = 5_000
FIELDS: Final = {
    "device/device/#asset_owner": "owner",
    "device/device/#cost_center": "cost_center",
    "device/device/#location_code": "location",
    "device/device/configuration_tag": "tag",
    "device/device/virtualization/desktop_broker": "broker",
    "device/device/virtualization/last_update": "updated",
}
STEPS: Final = ("first", "unchanged", "changed")


def register(objects: int, share: float) -> pl.DataFrame:
    """Write the source: a row per device; a share of them have another owner."""
    number = pl.int_range(objects, eager=True)
    changed = number.cast(pl.Float64) < objects * share
    return pl.DataFrame(
        {
            "uid": number.map_elements(lambda n: f"{n:032x}", pl.String),
            "owner": pl.select(
                pl.concat_str(
                    pl.lit("Ünal, Søren "),
                    number.cast(pl.String),
                    pl.when(changed).then(pl.lit(" new")).otherwise(pl.lit("")),
                )
            ).to_series(),
            "cost_center": pl.select(pl.format("CC-{}", number % 900)).to_series(),
            "location": pl.select(pl.format("ZRH-{}", number % 70)).to_series(),
            "tag": pl.select(pl.format("ring {}", number % 4)).to_series(),
            "broker": (number % 8).cast(pl.String),
            "updated": pl.select(
                pl.format("2026-10-{}T08:00:00.000Z", (number % 20) + 10)
            ).to_series(),
        }
    )


class Answering(BaseHTTPRequestHandler):
    """A tenant that accepts everything, and counts."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0
    objects = 0
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Issue a token, or accept a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer: dict[str, Any] = {"status": "success"}
        if "enrichment" in self.path:
            time.sleep(self.seconds)
            with self.lock:
                type(self).objects += body.count(b'"identification"')
        else:
            answer = {"access_token": "stand-in", "expires_in": 900, "token_type": "Bearer"}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_words: Any) -> None:
        """Log nothing."""


@contextmanager
def stand_in(seconds: float) -> Iterator[str]:
    """Serve the tenant on loopback."""
    Answering.seconds = seconds
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def by_product(step: str) -> None:
    """Sync as `nxp sync` does, without the flow engine around it."""
    del step
    from tasks.stories import sync as stories
    from tasks.sync.asked import SyncAsked
    from tasks.sync.run import choose_sync

    stories.sync(choose_sync(SYNC), SyncAsked())


def by_script(step: str) -> None:
    """Send everything, object by object, as a first script would."""
    source = Path(os.environ["NXP_HOME"]).parent / "register.parquet"
    del step

    def send(rows: list[dict[str, Any]]) -> None:
        enrichments = [
            {
                "identification": [{"name": "device/device/uid", "value": row["uid"]}],
                "fields": [
                    {"name": name, "value": int(row[c]) if c == "broker" else row[c]}
                    for name, c in FIELDS.items()
                ],
            }
            for row in rows
        ]
        body = json.dumps({"enrichments": enrichments, "domain": "benchmark"}, ensure_ascii=False)
        answer = client.post(
            os.environ["NEXTHINK_API_URL"] + "/api/v1/enrichment/data/fields",
            content=body.encode(),
            headers={"Content-Type": "application/json"},
        )
        answer.raise_for_status()

    frame = pl.read_parquet(source)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda piece: send(piece.to_dicts()), frame.iter_slices(BATCH)))


WAYS: Final = {"nxp": by_product, "script": by_script}


def measured(way: str, step: str) -> None:
    """Run one way once, and print its seconds and peak memory."""
    began = time.monotonic()
    WAYS[way](step)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([time.monotonic() - began, peak]))


def prepare(folder: Path) -> None:
    """Write the catalogue of the sync."""
    (folder / "catalog" / "datasets").mkdir(parents=True)
    (folder / "catalog" / "syncs").mkdir()
    sync = {
        "sync": SYNC,
        "domain": "benchmark",
        "mode": "mirror",
        "sources": {"register": {"kind": "file", "path": str(folder / "register.parquet")}},
        "sql": "SELECT * FROM register",
        "identification": {"name": "device/device/uid", "column": "uid"},
        "fields": {name: {"column": column} for name, column in FIELDS.items()},
        "guards": {"first": 100_000_000},
    }
    (folder / "catalog" / "syncs" / f"{SYNC}.yaml").write_text(yaml.safe_dump(sync))


def run_once(folder: Path, way: str, step: str, url: str, home: Path) -> tuple[float, float, int]:
    """Run one way in a process of its own; return its seconds, bytes and objects sent."""
    environment = {
        **os.environ,
        "NXP_HOME": str(home),
        "NXP_CATALOG": str(folder / "catalog"),
        "NEXTHINK_API_URL": url,
        "NEXTHINK_LOGIN_URL": url,
        "NEXTHINK_INSTANCE": "benchmark",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "stand-in",
        "NEXTHINK_CLIENT_SECRET": "stand-in",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
    }
    before = Answering.objects
    command = [sys.executable, "-m", "benchmarks.enrichment_sync", "--way", way, "--step", step]
    done = subprocess.run(  # noqa: S603 - this very module
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, Answering.objects - before


def main(
    objects: int = 1_000_000,
    share: float = 0.01,
    runs: int = 3,
    stand_in_ms: int = 100,
    way: str = "",
    step: str = "",
) -> None:
    """Compare all ways, or run one of them."""
    if way:
        measured(way, step)
        return
    results: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    with stand_in(stand_in_ms / 1000) as url, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        same, other = register(objects, 0), register(objects, share)
        for number in range(runs):
            home = folder / f"home-{number}"
            for each in STEPS:
                frame = other if each == "changed" else same
                frame.write_parquet(folder / "register.parquet")
                for name in WAYS:
                    found = run_once(folder, name, each, url, home)
                    results.setdefault((each, name), []).append(found)
    print(f"{objects:,} objects of {len(FIELDS)} fields, {share:.0%} changed, {runs} runs")
    print(f"{'':20}{'seconds':>24}{'MiB':>8}{'sent':>12}{'against script':>16}")
    for (each, name), measures in results.items():
        seconds = sorted(second for second, _, _ in measures)
        script = statistics.median(second for second, _, _ in results[each, "script"])
        middle = statistics.median(seconds)
        peak = max(memory for _, memory, _ in measures) / MEBIBYTE
        spread = f"{middle:.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})"
        ratio = f"{script / middle:.1f}x"
        print(f"{each:10}{name:10}{spread:>24}{peak:>8.0f}{measures[0][2]:>12,}{ratio:>16}")


if __name__ == "__main__":
    cyclopts.run(main)
