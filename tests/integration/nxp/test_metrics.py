"""Metrics as a collector gets them: OTLP over HTTP, decoded here; labels name no person."""

import gzip
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tasks.runs.metrics import COUNTERS, GAUGES, HISTOGRAMS
from tests.actions import acting
from tests.commands import environment
from tests.landing import CATALOG, NOW, place
from tests.prefect import MARK
from tests.syncing import syncing
from tests.victims import ended, start

NAMES = {*COUNTERS, *HISTOGRAMS, *GAUGES}


@dataclass
class Collector:
    """What a collector received: each process's last value for each name and labels."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a user with a collector sets."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    def values(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the sum over all processes; for a histogram, of its counts."""
        last: dict[Any, float] = {}
        for body in self.bodies:
            request = ExportMetricsServiceRequest.FromString(body)
            for resource in request.resource_metrics:
                of = {each.key: each.value.string_value for each in resource.resource.attributes}
                assert of["service.name"] == "nexthink-pipelines"
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for labels, value in _points(metric):
                            last[of["service.instance.id"], metric.name, labels] = value
        total: dict[tuple[str, frozenset[tuple[str, str]]], float] = defaultdict(float)
        for (_, name, labels), value in last.items():
            total[name, labels] += value
        return total

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all series with these labels, whatever their other labels."""
        found = self.values().items()
        return sum(v for (n, has), v in found if n == name and labels.items() <= dict(has).items())


def _points(metric: Any) -> Iterator[tuple[frozenset[tuple[str, str]], float]]:
    kind = getattr(metric, metric.WhichOneof("data"))
    for point in kind.data_points:
        labels = frozenset((each.key, each.value.string_value) for each in point.attributes)
        if metric.name in HISTOGRAMS:
            yield labels, point.count
        else:
            yield labels, point.as_double or float(point.as_int)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies.append(body)
            answer = ExportMetricsServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    with collecting() as made:
        yield made


def test_a_landing_is_measured_as_the_tenant_and_the_lake_have_it(
    tmp_path: Path, collector: Collector
) -> None:
    with place(tmp_path, faults=("503@status:2", "429-seconds@export:1")) as made:
        env = {**made.environment, **collector.environment}
        scheduled = ("tests.land_once", NOW.isoformat(), "crashes")
        assert ended(start(*scheduled, env=env)) == 0
        assert ended(start(*scheduled, "2026-11-12", "2026-11-14", env=env)) == 0
        of = {"tenant": "sandbox.eu", "dataset": "crashes"}
        rows = collector.total("nxp.rows", outcome="landed", **of)
        assert rows >= len(made.landed("crashes")) > 0
        windows = collector.total("nxp.windows", outcome="landed", **of)
        assert windows == collector.total("nxp.export.wait", **of)
        assert windows == collector.total("nxp.landing", **of) > 2
        # Every request that the tenant received, and no other.
        for operation in ("export", "status"):
            called = collector.total("nxp.api.calls", operation=f"nql.{operation}", **of)
            assert called == made.tenant.requests[operation]
        retries = {"operation": "nql.status", "status": "503"}
        assert collector.total("nxp.api.retries", **retries) == 2
        assert collector.total("nxp.api.calls", status="429", operation="nql.export") == 1
        assert collector.total("nxp.download", **of) > 0
        assert collector.total("nxp.runs", state="landed", **of) == 2
        assert collector.total("nxp.watermark.lag", **of) > 0


def test_a_unit_that_fails_is_counted_by_its_kind_of_error(
    tmp_path: Path, collector: Collector
) -> None:
    with place(tmp_path, faults=("403@export",)) as made:
        words = ("tests.land_once", NOW.isoformat(), "devices")
        assert ended(start(*words, env={**made.environment, **collector.environment})) == 1
        assert collector.total("nxp.windows", outcome="failed", error="AccessError") == 1
        assert collector.total("nxp.runs", state="failed", dataset="devices") == 1


def test_a_sync_is_measured_and_names_nobody(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with syncing(tmp_path) as made:
        for name, value in made.place.environment.items():
            monkeypatch.setenv(name, value)
        made.write([{"uid": uid, "owner": f"{MARK}{uid}"} for uid in made.uids()])
        now = made.place.tenant.clock.now().isoformat()
        env = {**made.place.environment, **collector.environment}
        assert ended(start("tests.sync_once", now, env=env)) == 0
        taken = collector.total("nxp.enrichment.values", outcome="acknowledged", sync="assets")
        assert taken == len(made.uids())
        assert collector.total("nxp.api.calls", operation="enrichment.push") == made.requests
        assert_names_nobody(collector, [MARK, *made.uids()])


def test_an_action_is_measured_and_names_no_device(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(tmp_path, monkeypatch.setenv) as made:
        made.specify("clean_up", targets={"query_id": "#windows_devices"})
        now = made.tenant.clock.now().isoformat()
        env = {**made.place.environment, **collector.environment}
        assert ended(start("tests.act_once", now, "clean_up", env=env)) == 0
        of = {"action": "clean_up", "tenant": "sandbox.eu"}
        assert collector.total("nxp.action.targets", outcome="requested", **of) == len(made.done())
        assert_names_nobody(collector, made.devices())


def assert_names_nobody(collector: Collector, values: list[str]) -> None:
    sent = b"".join(collector.bodies)
    assert {name for name, _ in collector.values()} <= NAMES
    for value in values:
        assert value.encode() not in sent


def loaded(env: Mapping[str, str], blocked: str = "") -> subprocess.CompletedProcess[str]:
    """Count the end of a run in a process, which prints the modules of the SDK it imported."""
    program = (
        f"import sys; sys.modules.update({{{blocked!r}: None}} if {blocked!r} else {{}});"
        "from tasks.runs import metrics; import logging; logging.basicConfig();"
        "metrics.begin(); metrics.flush(); metrics.run_ended('landed');"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk.metrics')])"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment() | dict(env),
        cwd=CATALOG.parent,
        capture_output=True,
        text=True,
        check=True,
    )


def test_without_a_collector_nothing_is_imported_and_without_the_extra_it_is_said() -> None:
    assert loaded({}).stdout == "[]\n"
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    missing = loaded(asked, "opentelemetry.sdk.metrics")
    assert "pip install 'nexthink-pipelines[otel]'" in missing.stderr


def test_a_collector_that_is_away_keeps_no_run(tmp_path: Path) -> None:
    with place(tmp_path) as made:
        env = {**made.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        process = start("tests.land_once", NOW.isoformat(), "devices", env=env)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert len(said.splitlines()) <= 1
        assert made.landed("devices").height


def test_every_name_is_documented() -> None:
    manual = (CATALOG.parent / "docs" / "observability.md").read_text("utf-8")
    for name in NAMES:
        assert f"`{name}`" in manual
