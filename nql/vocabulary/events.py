"""The fields of tables with a time: published names where known, otherwise guessed by analogy.

The names are short; results prefix them with the namespace and the table's singular.
"""

from collections.abc import Mapping

from nql.kinds import Kind
from nql.vocabulary.objects import B, D, E, F, I, S, T, V, Y

# Where a device was: the vendor compares these with other fields of connections, boots and scores.
CONTEXT = {
    "context.location.country": S, "context.location.state": S, "context.location.type": E,
    "context.location.site": S, "context.device_platform": E,
}  # fmt: skip

_EXECUTION = {
    "start_time": T, "end_time": T, "bucket_duration": I, "cpu_time": D,
    "cpu.duration_with_high_usage": D,
    "execution_duration": D, "memory.avg": Y, "real_memory": Y,
    "number_of_freezes": I, "number_of_page_faults": I,
    "incoming_traffic": Y, "outgoing_traffic": Y,
    "incoming_throughput": F, "outgoing_throughput": F,
    "connection_establishment_time": D, "number_of_established_connections": I,
    "number_of_no_host_connections": I, "number_of_no_service_connections": I,
    "number_of_rejected_connections": I, "highest_process_visibility": E,
}  # fmt: skip

_CRASH = {
    "time": T, "number_of_crashes": I, "crash_on_start": B, "binary_path": S,
    "binary_path_root": E, "process_visibility": E,
}  # fmt: skip

_PERFORMANCE = {
    "start_time": T, "end_time": T, "bucket_duration": I,
    "cpu_usage": F, "normalized_cpu_usage": F, "cpu_queue_length": F,
    "number_of_logical_processors": I, "cpu.duration_with_high_usage": D,
    "cpu.frequency_ratio": F, "cpu.dpc_usage": F,
    "installed_memory": Y, "used_memory": Y, "free_memory": Y, "memory_swap_rate": F,
    "memory_pressure": F, "duration_with_medium_memory_pressure": D,
    "duration_with_high_memory_pressure": D,
    "system_drive_capacity": Y, "system_drive_free_space": Y, "system_drive_usage": Y,
    "non_system_drive_capacity": Y, "non_system_drive_free_space": Y,
}  # fmt: skip

_SESSION = {
    "start_time": T, "end_time": T, "bucket_duration": I, "user_interaction_time": D,
}  # fmt: skip

_CONNECTION = {
    "start_time": T, "end_time": T, "bucket_duration": I,
    "destination.domain": S, "destination.type": E, "destination.country": S,
    "failed_connection_ratio": F, "number_of_connections": I, "number_of_failed_connections": I,
    "number_of_no_host_connections": I, "number_of_no_service_connections": I,
    "incoming_traffic": Y, "outgoing_traffic": Y,
}  # fmt: skip

_CONNECTIVITY = {
    "start_time": T, "end_time": T, "bucket_duration": I,
    "primary_physical_adapter.type": E, "wifi.signal_strength": I, "wifi.noise_level": I,
    "wifi.ssid": S, "wifi.band": E, "wifi.receive_rate": F, "wifi.transmission_rate": F,
}  # fmt: skip

_PAGE_VIEW = {
    "start_time": T, "end_time": T, "url": S, "number_of_page_views": I,
    "page_load_time.overall": D, "page_load_time.backend": D, "page_load_time.client": D,
    "page_load_time.network": D, "experience_level": E, "adapter_type": E,
    "is_soft_navigation": B, "number_of_resources": I, "number_of_resource_errors": I,
    "largest_resource_load_time": D, "unload_event": D,
    "number_of_active_tabs": I, "number_of_large_resources": I,
}  # fmt: skip

# The nodes of the score: each has a value and the points that it costs.
_NODES = {
    "endpoint": (
        "boot_speed logon_speed software_reliability device_reliability software_performance"
        " device_performance device_responsiveness network_quality virtual_session_lag"
    ),
    "collaboration": "teams zoom teams_audio_quality teams_video_quality"
    " zoom_audio_quality zoom_video_quality",
}
SCORE_NODES = tuple(f"{part}.{node}" for part, nodes in _NODES.items() for node in nodes.split())
SCORE_PARTS = ("technology", "endpoint", "collaboration", "applications", "sentiment")
_SCORE = {
    "time": T, "value": F,
    **{f"{part}.value": F for part in SCORE_PARTS},
    **{f"{part}.score_impact": F for part in SCORE_PARTS},
    **{f"{node}_value": F for node in SCORE_NODES},
    **{f"{node}_score_impact": F for node in SCORE_NODES},
    **{f"collaboration.{tool}.value": F for tool in ("teams", "zoom")},
}  # fmt: skip

_APPLICATION_SCORE = {
    "time": T, "value": F, "score_impact": F, "node.type": E, "node.value": F,
    "node.score_impact": F,
}  # fmt: skip

_VDI = {
    "start_time": T, "end_time": T, "bucket_duration": I, "cpu_usage": F, "used_memory": Y,
    "network_latency": D, "round_trip_time": D, "input_delay": D, "frames_per_second": F,
    "average_network_latency": D, "average_round_trip_time": D, "protocol": E,
}  # fmt: skip

_COLLABORATION = {
    "id": S, "connection_type": E,
    "call.id": S, "call.start_time": T, "call.end_time": T, "call.type": E, "call.quality": E,
    "application.type": E, "application.version": V,
    "audio.quality": E, "audio.inbound_packet_loss": F, "audio.outbound_packet_loss": F,
    "audio.inbound_jitter": D, "audio.outbound_jitter": D, "audio.rtt": D,
    "video.quality": E, "video.inbound_packet_loss": F, "video.outbound_packet_loss": F,
    "participant_device.type": E, "participant_device.microphone": S,
    "participant_device.speaker": S, "participant_device.camera": S,
}  # fmt: skip

_EXECUTED = {
    "request_id": S, "request_time": T, "time": T, "status": E, "status_details": S,
    "trigger_method": E, "number_of_executions": I, "external_source": S,
    "external_reference": S, "reason": S,
}  # fmt: skip

# Path of the table -> its own fields. Time frames apply to the first date-time.
EVENTS: dict[str, Mapping[str, Kind]] = {
    "execution.events": _EXECUTION,
    "execution.crashes": _CRASH,
    "device_performance.events": _PERFORMANCE,
    "device_performance.boots": {"time": T, "type": E, "duration": D, "number_of_boots": I},
    "device_performance.hard_resets": {"time": T, "number_of_hard_resets": I},
    "device_performance.system_crashes": {
        "time": T, "label": S, "error_code": I, "error_code_hexadecimal": S,
        "number_of_system_crashes": I,
    },
    "session.events": _SESSION,
    "session.logins": {
        "time": T, "time_until_desktop_is_visible": D, "time_until_desktop_is_ready": D,
        "logon_script_duration": D, "number_of_logins": I,
    },
    "connection.events": _CONNECTION,
    "connectivity.events": _CONNECTIVITY,
    "web.events": {"start_time": T, "end_time": T, "bucket_duration": I, "duration": D},
    "web.page_views": _PAGE_VIEW,
    "web.errors": {"time": T, "number_of_errors": I, "code": I, "label": S, "url": S},
    "web.transactions": {
        "start_time": T, "name": S, "number_of_transactions": I, "duration": D, "status": E,
    },
    "collaboration.sessions": _COLLABORATION,
    "package.installations": {"time": T, "status": E, "type": E},
    "dex.scores": _SCORE,
    "dex.application_scores": _APPLICATION_SCORE,
    "session.vdi_events": _VDI,
    "custom_trend.snapshots": {"time": T},
    "ai.interactions_summary": {
        "time": T, "number_of_interactions": I, "number_of_prompts": I, "duration": D,
    },
    "web.guide_executions": {
        "time": T, "number_of_executions": I, "duration": D, "status": E,
    },
    "alert.alerts": {
        "time": T, "recovery_time": T, "duration": D, "status": E, "number_of_alerts": I,
    },
    "alert.impacts": {"time": T, "status": E, "number_of_impacts": I},
    # Events of a week, dated at its Monday: published, as are the objects that they belong to.
    "software_metering.events": {
        "start_time": T, "end_time": T, "meter.name": S, "usage_duration": D,
        "number_of_licenses": I,
    },
    "platform.audit_logs": {
        "time": T, "code": I, "message": S, "type": E, "status": E, "user_name": S,
    },
}  # fmt: skip

_SUMMARY = {
    "time": T, "status": E, "trigger_method": E, "number_of_executions": I,
}  # fmt: skip
_LOG = {"time": T, "type": E, "status": E, "user_name": S, "details": S}

# Filled by requests to the tenant, not by the estate; those after the first four stay empty.
FED: dict[str, Mapping[str, Kind]] = {
    "remote_action.executions": {**_EXECUTED, "execution_id": S, "outputs": S, "purpose": E},
    "workflow.executions": {**_EXECUTED, "execution_id": S, "outcome": E, "outcome_details": S,
                            "duration": D},
    "campaign.responses": {"time": T, "first_targeted": T, "request_id": S, "state": E,
                           "state_details": S, "answers": S, "trigger_method": E},
    # Only the existence of this table is published: its fields are guesses.
    "platform.nql_api_logs": {"time": T, "query_id": S, "type": E, "status": E,
                              "number_of_rows": I, "duration": D, "status_details": S},
    "platform.data_export_logs": _LOG,
    "platform.inbound_connector_logs": _LOG,
    "platform.custom_trends_logs": _LOG,
    "remote_action.executions_summary": {**_SUMMARY, "purpose": E},
    "workflow.executions_summary": {**_SUMMARY, "outcome": E},
    "web.guide_step_executions": {"time": T, "number_of_executions": I, "status": E},
    "web.context_help_executions": {"time": T, "number_of_executions": I, "type": E},
    "usage.account_actions": {"time": T, "account": S, "action": S, "type": E},
    "ticket.tickets": {"time": T, "number": S, "status": E, "priority": E, "category": S},
    "agent.conversations": {"time": T, "id": S, "status": E, "number_of_messages": I},
    "device_performance.hypervisor_host_events": {
        "start_time": T, "end_time": T, "bucket_duration": I, "cpu_usage": F, "used_memory": Y,
    },
    "application.network_applications": {"uid": S, "name": S},
    "application.pages": {"uid": S, "name": S, "url": S},
    "application.transactions": {"uid": S, "name": S},
}  # fmt: skip
# Fields of the action or campaign that such a table has in addition to its own.
FED_HEADS: dict[str, Mapping[str, Kind]] = {
    "remote_action": {"name": S, "nql_id": S, "uid": S, "description": S},
    "workflow": {"name": S, "nql_id": S, "uid": S, "description": S},
    "campaign": {"name": S, "nql_id": S, "uid": S, "description": S},
}

_PROCESS = "device user binary application"
_PAGE = "device user application"
# The objects that the rows of a table belong to, by the prefix of their fields.
LINKS = {
    "execution.events": _PROCESS,
    "execution.crashes": _PROCESS,
    "device_performance.events": "device",
    "device_performance.boots": "device",
    "device_performance.hard_resets": "device",
    "device_performance.system_crashes": "device",
    "device_performance.hypervisor_host_events": "device",
    "session.events": "device user",
    "session.logins": "device user",
    "session.vdi_events": "device user",
    "connection.events": _PROCESS,
    "connectivity.events": "device",
    "web.events": _PAGE,
    "web.page_views": _PAGE,
    "web.errors": _PAGE,
    "web.transactions": _PAGE,
    "web.guide_executions": "device user application.guide",
    "web.guide_step_executions": "device user application.guide",
    "web.context_help_executions": "device user",
    "collaboration.sessions": "device user",
    "package.installations": "device package",
    "dex.scores": "device user",
    "dex.application_scores": _PAGE,
    "custom_trend.snapshots": "device user",
    "ai.interactions_summary": "device user ai.tool",
    "alert.alerts": "alert.monitor",
    "alert.impacts": "device alert.monitor",
    "remote_action.executions": "device user",
    "remote_action.executions_summary": "device",
    "workflow.executions": "device user",
    "workflow.executions_summary": "device user",
    "campaign.responses": "user",
    "software_metering.events": _PAGE,
    "usage.account_actions": "user",
    "ticket.tickets": "device user",
    "agent.conversations": "device user",
}
# What results show when a query lists nothing, after the time.
DEFAULTS = {
    "execution.events": "end_time bucket_duration device.name binary.name cpu_time",
    "execution.crashes": "device.name binary.name number_of_crashes",
    "device_performance.events": "device.name cpu_usage used_memory",
    "device_performance.boots": "device.name type duration",
    "device_performance.hard_resets": "device.name number_of_hard_resets",
    "device_performance.system_crashes": "device.name label error_code",
    "session.events": "device.name user.name user_interaction_time",
    "session.logins": "device.name user.name",
    "session.vdi_events": "end_time bucket_duration device.name user.name round_trip_time",
    "connection.events": "device.name binary.name destination.domain",
    "connectivity.events": "device.name primary_physical_adapter.type",
    "web.events": "device.name application.name duration",
    "web.page_views": "device.name application.name url",
    "web.errors": "device.name application.name label",
    "web.transactions": "device.name application.name number_of_transactions",
    "web.guide_executions": "device.name user.name application.guide.name",
    "collaboration.sessions": "device.name call.type call.quality",
    "package.installations": "device.name package.name status",
    "dex.scores": "user.name value",
    "dex.application_scores": "user.name application.name node.type value",
    "custom_trend.snapshots": "device.name",
    "software_metering.events": "user.name application.name usage_duration",
    "platform.audit_logs": "code message",
    "ai.interactions_summary": "user.name ai.tool.name number_of_interactions",
    "alert.alerts": "status alert.monitor.name",
    "alert.impacts": "device.name alert.monitor.name",
    "remote_action.executions": "remote_action.name device.name status",
    "workflow.executions": "workflow.name device.name status",
    "campaign.responses": "campaign.name user.name state",
    "platform.nql_api_logs": "query_id type status",
    "application.network_applications": "name",
    "application.pages": "name url",
    "application.transactions": "name",
}
EVENTS = {
    path: {**kinds, **CONTEXT} if "device" in LINKS.get(path, "").split() else kinds
    for path, kinds in EVENTS.items()
}
