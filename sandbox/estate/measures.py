"""How each column of each event table is distributed. The figures are invented but plausible."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nql.kinds import Kind
from nql.vocabulary.events import EVENTS, SCORE_NODES, SCORE_PARTS
from sandbox.estate import catalogue
from sandbox.estate import metrics as m
from sandbox.estate.administration import ADMINISTRATION
from sandbox.estate.chance import at
from sandbox.estate.inventory import blank
from sandbox.model.kinds import DTYPES
from sandbox.model.tables import trend_kind

_SAMPLE: Mapping[str, m.Maker] = {
    "start_time": m.start,
    "end_time": m.end,
    "bucket_duration": m.bucket,
}

# The place of the inventory: that people travel is not modelled.
_CONTEXT: Mapping[str, m.Maker] = {
    "context.location.country": m.of_place([p.country for p in catalogue.PLACES]),
    "context.location.state": m.of_place([p.state for p in catalogue.PLACES]),
    "context.location.site": m.of_place([p.site for p in catalogue.PLACES]),
    "context.location.type": m.of_device(("onsite", "remote")),
    "context.device_platform": m.platform,
}

_EXECUTION: Mapping[str, m.Maker] = {
    **_SAMPLE,
    "cpu_time": m.amount(6.5, 1.2),
    "execution_duration": m.amount(620.0, 0.3),
    "memory.avg": m.memory(0.25),
    "real_memory": m.memory(0.3),
    "number_of_freezes": m.count(0.03),
    "number_of_page_faults": m.count(900.0),
    "incoming_traffic": m.size(180_000, 1.8, missing=0.25),
    "outgoing_traffic": m.size(60_000, 1.7, missing=0.25),
    "incoming_throughput": m.amount(9_000.0, 1.1, missing=0.25),
    "outgoing_throughput": m.amount(3_000.0, 1.1, missing=0.25),
    "connection_establishment_time": m.amount(0.034, 0.8, missing=0.25, digits=6),
    "number_of_established_connections": m.count(6.0, missing=0.25),
    "number_of_no_host_connections": m.count(0.02, missing=0.25),
    "number_of_no_service_connections": m.count(0.02, missing=0.25),
    "number_of_rejected_connections": m.count(0.01, missing=0.25),
    "highest_process_visibility": m.visibility,
}

_CRASH: Mapping[str, m.Maker] = {
    "time": m.start,
    "number_of_crashes": lambda rng, facts: pl.Series(1 + rng.poisson(0.08, facts.count)),
    "crash_on_start": m.flag(0.2),
    "binary_path": m.path,
    "binary_path_root": m.path_root,
    "process_visibility": m.visibility,
}

_CAPACITIES = (256_000_000_000, 512_000_000_000)

_PERFORMANCE: Mapping[str, m.Maker] = {
    **_SAMPLE,
    "cpu_usage": m.between(1.0, 300.0),
    "normalized_cpu_usage": m.between(1.0, 98.0),
    "cpu_queue_length": m.amount(0.8, 1.0),
    "number_of_logical_processors": m.per_device((8, 12, 16)),
    "cpu.duration_with_high_usage": m.amount(12.0, 1.5, missing=0.4),
    "cpu.frequency_ratio": m.between(0.4, 1.3),
    "cpu.dpc_usage": m.between(0.0, 3.0),
    "installed_memory": m.installed,
    "used_memory": m.used,
    "free_memory": m.free,
    "memory_swap_rate": m.amount(40.0, 1.5),
    "memory_pressure": m.between(0.0, 1.0),
    "duration_with_medium_memory_pressure": m.amount(60.0, 1.2, missing=0.6),
    "duration_with_high_memory_pressure": m.amount(30.0, 1.2, missing=0.8),
    "system_drive_capacity": m.per_device(_CAPACITIES),
    "system_drive_free_space": m.free_space(_CAPACITIES),
    "system_drive_usage": m.usage(_CAPACITIES),
    "non_system_drive_capacity": m.size(500_000_000_000, 0.1, missing=0.7),
    "non_system_drive_free_space": m.size(200_000_000_000, 0.4, missing=0.7),
}

_SYSTEM_CRASH: Mapping[str, m.Maker] = {
    "time": m.start,
    "label": m.word(("DRIVER_POWER_STATE_FAILURE", "KERNEL_SECURITY_CHECK_FAILURE", None)),
    "error_code": m.whole(1, 400),
    "error_code_hexadecimal": m.code,
    "number_of_system_crashes": m.one(),
}

_CONNECTION: Mapping[str, m.Maker] = {
    **_SAMPLE,
    "destination.domain": m.of_pair([d for d, _, _ in catalogue.DESTINATIONS]),
    "destination.type": m.of_pair([t for _, t, _ in catalogue.DESTINATIONS]),
    "destination.country": m.of_pair([c for _, _, c in catalogue.DESTINATIONS]),
    "failed_connection_ratio": m.between(0.0, 0.1),
    "number_of_connections": m.count(14.0),
    "number_of_failed_connections": m.count(0.3),
    "number_of_no_host_connections": m.count(0.1),
    "number_of_no_service_connections": m.count(0.1),
    "incoming_traffic": m.size(180_000, 1.8),
    "outgoing_traffic": m.size(60_000, 1.7),
}

_ADAPTERS = ("wifi", "wifi", "ethernet")


def _on_wifi(maker: m.Maker) -> m.Maker:
    """Return what a maker returns, null for devices that are connected by cable."""

    def made(rng: np.random.Generator, facts: m.Facts) -> pl.Series:
        by_cable = facts.device % len(_ADAPTERS) == _ADAPTERS.index("ethernet")
        return blank(maker(rng, facts), by_cable)

    return made


_CONNECTIVITY: Mapping[str, m.Maker] = {
    **_SAMPLE,
    "primary_physical_adapter.type": m.of_device(_ADAPTERS),
    "wifi.signal_strength": _on_wifi(m.whole(-88, -40)),
    "wifi.noise_level": _on_wifi(m.whole(-98, -88)),
    "wifi.ssid": m.of_device(("CORP", "CORP-Gäste", None)),
    "wifi.band": m.of_device(("5GHz", "2.4GHz", None)),
    "wifi.receive_rate": _on_wifi(m.amount(400e6, 0.6)),
    "wifi.transmission_rate": _on_wifi(m.amount(300e6, 0.6)),
}

_ADDRESSES = [None] * len(catalogue.APPLICATIONS) + [a for _, a, _ in catalogue.WEB_APPLICATIONS]

_PAGE_VIEW: Mapping[str, m.Maker] = {
    "start_time": m.start,
    "end_time": m.after(4.0),
    "url": m.of_link(_ADDRESSES),
    "number_of_page_views": m.one(),
    "page_load_time.overall": m.amount(2.1, 0.7),
    "page_load_time.backend": m.amount(0.6, 0.7),
    "page_load_time.client": m.amount(0.9, 0.7),
    "page_load_time.network": m.amount(0.4, 0.7),
    "experience_level": m.word(("good", "average", "frustrating"), (80, 15, 5)),
    "adapter_type": m.of_device(_ADAPTERS),
    "is_soft_navigation": m.flag(0.3),
    "number_of_resources": m.count(60.0),
    "number_of_resource_errors": m.count(0.4),
    "largest_resource_load_time": m.amount(0.8, 0.9),
}

_SCORED: Mapping[str, m.Maker] = {
    name: m.between(20.0, 100.0, missing=missing)
    for name, missing in {
        "value": 0.0, "technology.value": 0.0, "endpoint.value": 0.0,
        **{f"{node}_value": 0.05 for node in SCORE_NODES},
        "collaboration.value": 0.3, "applications.value": 0.2, "sentiment.value": 0.8,
    }.items()
}  # fmt: skip

_HEADSETS = ("Jabra Evolve2 65", "Realtek(R) Audio", None)
_QUALITY = m.word(("good", "average", "poor"), (85, 10, 5))

# Of Teams and of Zoom, which has every fifth call.
_TOOLS, _TOOL_VERSIONS = ("Teams", "Zoom"), (("[24, 277, 2]", "[24, 295, 0]"), ("[6, 2, 7]",))


def _tool(facts: m.Facts) -> NDArray[np.int64]:
    """Return the number of each call's tool, which its version has to be one of."""
    return np.asarray((facts.start // 1000 + facts.device) % 5 == 0, dtype=np.int64)


def _tool_version(_: np.random.Generator, facts: m.Facts) -> pl.Series:
    versions = [v[number % len(v)] for number in range(2) for v in _TOOL_VERSIONS]
    return at(versions, _tool(facts) + 2 * (facts.device % 2))


_COLLABORATION: Mapping[str, m.Maker] = {
    "call.id": m.identity,
    "call.start_time": m.start,
    "call.end_time": m.after(1500.0),
    "call.type": m.word(("peer_to_peer", "group_call", "unknown"), (40, 58, 2)),
    "call.quality": _QUALITY,
    "application.type": lambda _, facts: at(_TOOLS, _tool(facts)),
    "application.version": _tool_version,
    "audio.quality": _QUALITY,
    "audio.inbound_packet_loss": m.between(0.0, 0.05),
    "audio.outbound_packet_loss": m.between(0.0, 0.05),
    "audio.inbound_jitter": m.amount(0.008, 0.6, digits=6),
    "audio.outbound_jitter": m.amount(0.008, 0.6, digits=6),
    "audio.rtt": m.amount(0.06, 0.5, digits=6),
    "video.quality": m.word(("good", "average", "poor", None), (60, 10, 5, 25)),
    "video.inbound_packet_loss": m.between(0.0, 0.05, missing=0.25),
    "video.outbound_packet_loss": m.between(0.0, 0.05, missing=0.25),
    "participant_device.type": m.word(("desktop", "mobile"), (95, 5)),
    "id": m.identity,
    "connection_type": m.of_device(_ADAPTERS),
    "participant_device.microphone": m.word(_HEADSETS),
    "participant_device.speaker": m.word(_HEADSETS),
    "participant_device.camera": m.word(("Integrated Camera", "Logitech BRIO", None)),
}

_MEASURES: Mapping[str, Mapping[str, m.Maker]] = {
    "execution.events": _EXECUTION,
    "execution.crashes": _CRASH,
    "device_performance.events": _PERFORMANCE,
    "device_performance.boots": {
        "time": m.start,
        "type": m.word(("full_boot", "fast_startup"), (4, 6)),
        "duration": m.amount(45.0, 0.5),
        "number_of_boots": m.one(),
    },
    "device_performance.hard_resets": {"time": m.start, "number_of_hard_resets": m.one()},
    "device_performance.system_crashes": _SYSTEM_CRASH,
    "session.events": {**_SAMPLE, "user_interaction_time": m.amount(420.0, 0.6)},
    "session.logins": {
        "time": m.start,
        "time_until_desktop_is_visible": m.amount(14.0, 0.6),
        "time_until_desktop_is_ready": m.amount(38.0, 0.6, missing=0.1),
        "logon_script_duration": m.amount(3.0, 0.8, missing=0.3),
        "number_of_logins": m.one(),
    },
    "connection.events": _CONNECTION,
    "connectivity.events": _CONNECTIVITY,
    "web.events": {**_SAMPLE, "duration": m.amount(240.0, 0.8)},
    "web.page_views": _PAGE_VIEW,
    "web.errors": {
        "time": m.start,
        "number_of_errors": lambda rng, facts: pl.Series(1 + rng.poisson(0.2, facts.count)),
        "code": lambda rng, facts: pl.Series(np.array([404, 500, 503])).gather(
            rng.integers(0, 3, facts.count)
        ),
        "label": m.word(("Not Found", "Internal Server Error", 'Unexpected token "<"')),
        "url": m.of_link(_ADDRESSES),
    },
    "web.transactions": {
        "start_time": m.start,
        "name": m.word(("Open record", "Save record", "Search, all sites", "Submit form")),
        "number_of_transactions": m.one(),
        "duration": m.amount(3.0, 0.7),
        "status": m.word(("successful", "failed"), (97, 3)),
    },
    "collaboration.sessions": _COLLABORATION,
    "package.installations": {
        "time": m.start,
        "status": m.word(("success", "failure"), (95, 5)),
        "type": m.word(("installation", "uninstallation"), (8, 2)),
    },
    "dex.scores": {
        "time": m.start,
        **_SCORED,
        **{f"{node}_score_impact": m.between(0.0, 5.0) for node in SCORE_NODES},
        **{f"{part}.score_impact": m.between(0.0, 20.0) for part in SCORE_PARTS},
    },
    "dex.application_scores": {
        "time": m.start,
        "node.type": m.word(
            ("application", "page_loads", "transactions", "web_reliability", "crashes", "freezes")
        ),
        "value": m.steady(20.0, 100.0),
        "node.value": m.steady(20.0, 100.0),
        "score_impact": m.steady(5.0, 0.0),
        "node.score_impact": m.steady(5.0, 0.0),
    },
    "session.vdi_events": {**_SAMPLE, "protocol": m.of_device(("ica", "blast", "rdp"))},
    "custom_trend.snapshots": {"time": m.start},
    "ai.interactions_summary": {"time": m.start},
    "web.guide_executions": {
        "time": m.start,
        "status": m.word(("completed", "abandoned"), (7, 3)),
        "number_of_executions": m.one(),
    },
    **ADMINISTRATION,
}


def measure(table: str, name: str, rng: np.random.Generator, facts: m.Facts) -> pl.Series:
    """Return one column of a table, by its short name."""
    maker = _MEASURES[table].get(name) or _CONTEXT.get(name) or m.general(_kind(table, name))
    if maker is None:
        return pl.repeat(None, facts.count, dtype=DTYPES[_kind(table, name)], eager=True)
    return maker(rng, facts)


def _kind(table: str, name: str) -> Kind:
    # A field of a custom trend is in no list of fields.
    return EVENTS[table].get(name) or trend_kind(name)
