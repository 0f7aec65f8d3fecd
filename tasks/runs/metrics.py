"""Metrics of runs by OpenTelemetry, only if OTEL_EXPORTER_OTLP_ENDPOINT is set.

Labels are the tenant and what a run is about, as bound for logs, and fixed words. They never name a
person, a device, a unit or a run. The names are an interface: docs/observability.md.
"""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from connectors.errors import PipelineError
from connectors.http.exchanges import Exchanged, listen
from connectors.logs import UNREPORTED, bound_names

logger = logging.getLogger(__name__)

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
SERVICE: Final = "nexthink-pipelines"
LABELS: Final = ("tenant", "dataset", "sync", "action")
# A collector that does not answer must not delay a run; OTEL_EXPORTER_OTLP_TIMEOUT overrides this.
FLUSH_SECONDS: Final = 3
TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")

COUNTERS: Final = {
    "nxp.rows": ("{row}", "Rows of exports, by outcome."),
    "nxp.windows": ("{window}", "Windows and snapshots, by outcome."),
    "nxp.download": ("By", "Bytes of results as received."),
    "nxp.api.calls": ("{call}", "Requests over HTTP, by operation and status."),
    "nxp.api.retries": ("{call}", "Requests that are sent again, by operation and status."),
    "nxp.enrichment.values": ("{value}", "Values of syncs, by action and outcome."),
    "nxp.action.targets": ("{target}", "Targets of actions, by outcome."),
    "nxp.runs": ("{run}", "Runs that have ended, by state."),
}
HISTOGRAMS: Final = {
    "nxp.export.wait": ("s", "From an export's start until its result can be fetched."),
    "nxp.landing": ("s", "From a result's first byte until its rows are published."),
}
GAUGES: Final = {"nxp.watermark.lag": ("s", "How far a watermark is behind, at the run's end.")}
# Exports take from a second to an hour.
BUCKETS: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)

Measure = Callable[[str, float, Mapping[str, str]], None]


class _Metrics:
    """The instruments of this process, created once by the first run."""

    def __init__(self) -> None:
        self.measure: Measure | None = None
        self.flush: Callable[[], None] = lambda: None
        self._is_begun = False

    def begin(self) -> None:
        """Create them if a collector is named and the extra is installed."""
        if self._is_begun:
            return
        self._is_begun = True
        if not any(os.environ.get(name) for name in ENDPOINTS):
            return
        try:
            self._make()
        except ImportError:
            logger.warning(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set but OpenTelemetry is not installed: no "
                "metrics; pip install 'nexthink-pipelines[otel]'",
                extra=UNREPORTED,
            )
            return
        listen(_exchanged)

    def _make(self) -> None:
        # Importing it takes 0.3 s, and it is an optional extra.
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter,
        )
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - only if it is set
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

        names = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or SERVICE}
        # Counters begin at zero in each process; with this id they stay apart and add up.
        names["service.instance.id"] = os.urandom(16).hex()
        has_timeout = any(os.environ.get(name) for name in TIMEOUTS)
        exporter = OTLPMetricExporter(timeout=None if has_timeout else FLUSH_SECONDS)
        reader = PeriodicExportingMetricReader(exporter)
        # Its retries and tracebacks do not belong in our logs.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        provider = MeterProvider([reader], Resource.create(names), shutdown_on_exit=False)
        meter = provider.get_meter(SERVICE)
        instruments: dict[str, Any] = {}
        for name, (unit, text) in COUNTERS.items():
            instruments[name] = meter.create_counter(name, unit, text).add
        for name, (unit, text) in HISTOGRAMS.items():
            made = meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=BUCKETS
            )
            instruments[name] = made.record
        for name, (unit, text) in GAUGES.items():
            instruments[name] = meter.create_gauge(name, unit, text).set

        def flush() -> None:
            sent = False
            # Whatever goes wrong in the exporter must not fail a run whose work is done.
            with suppress(Exception):
                sent = provider.force_flush(FLUSH_SECONDS * 1000)
            if not sent:
                logger.warning(
                    "the metrics could not be sent: see OTEL_EXPORTER_OTLP_ENDPOINT",
                    extra=UNREPORTED,
                )

        self.measure = lambda name, value, labels: instruments[name](value, dict(labels))
        self.flush = flush


_METRICS: Final = _Metrics()
begin = _METRICS.begin


def flush() -> None:
    """Send what was measured; call it at the end of a run, when its process may end too."""
    _METRICS.flush()


def _measure(name: str, value: float, **labels: str) -> None:
    if _METRICS.measure is None:
        return
    names = bound_names()
    known = {label: names[label] for label in LABELS if label in names}
    _METRICS.measure(name, value, known | labels)


def _exchanged(exchange: Exchanged) -> None:
    status = "none" if exchange.status is None else str(exchange.status)
    name = "nxp.api.retries" if exchange.again else "nxp.api.calls"
    _measure(name, 1, operation=exchange.operation, status=status)


def unit_landed(outcome: Any) -> None:
    """Count a unit that has landed, by its tasks.land.unit.UnitOutcome."""
    _measure("nxp.windows", 1, outcome="skipped" if outcome.skipped else "landed")
    if outcome.skipped:
        return
    for name in ("landed", "rejected", "outside", "filtered"):
        _measure("nxp.rows", getattr(outcome, f"rows_{name}"), outcome=name)
    _measure("nxp.rows", outcome.duplicates, outcome="duplicate")
    _measure("nxp.download", outcome.wire_bytes)
    _measure("nxp.export.wait", outcome.seconds.get("wait", 0.0))
    _measure("nxp.landing", sum(outcome.seconds.values()) - outcome.seconds.get("wait", 0.0))


def unit_failed(error: PipelineError) -> None:
    """Count a unit that did not land, by the kind of error."""
    _measure("nxp.windows", 1, outcome="failed", error=type(error).__name__)


def run_ended(state: str) -> None:
    """Count a run that has ended."""
    _measure("nxp.runs", 1, state=state)


def watermark_moved(position: datetime | None, now: datetime) -> None:
    """Measure how far a dataset's watermark is behind."""
    if position is not None:
        _measure("nxp.watermark.lag", (now - position).total_seconds())


def values_ended(values: Mapping[str, Mapping[str, int]]) -> None:
    """Count the values of a sync, by action and outcome."""
    for action, outcomes in values.items():
        for outcome, count in outcomes.items():
            _measure("nxp.enrichment.values", count, kind=action, outcome=outcome)


def targets_ended(counts: Mapping[str, int], shown: Mapping[str, int]) -> None:
    """Count the targets of an action by the outcome of requests, and by what was read back."""
    for outcome, count in counts.items():
        _measure("nxp.action.targets", count, stage="request", outcome=outcome)
    for outcome, count in shown.items():
        _measure("nxp.action.targets", count, stage="outcome", outcome=outcome)
