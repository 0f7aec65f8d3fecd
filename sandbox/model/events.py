"""The fields of tables with a time: published names where known, otherwise guessed by analogy.

The names are short; results prefix them with the namespace and the table's singular.
"""

from collections.abc import Mapping

from nql.kinds import Kind
from sandbox.model.objects import B, D, E, F, I, S, T, V, Y

_EXECUTION = {
    "start_time": T, "end_time": T, "bucket_duration": I, "cpu_time": D,
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
    "system_drive_capacity": Y, "system_drive_free_space": Y, "system_drive_usage": F,
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
    "context.location.country": S, "context.location.type": E, "context.device_platform": E,
}  # fmt: skip

_PAGE_VIEW = {
    "start_time": T, "end_time": T, "url": S, "number_of_page_views": I,
    "page_load_time.overall": D, "page_load_time.backend": D, "page_load_time.client": D,
    "page_load_time.network": D, "experience_level": E, "adapter_type": E,
    "is_soft_navigation": B, "number_of_resources": I, "number_of_resource_errors": I,
    "largest_resource_load_time": D,
}  # fmt: skip

_SCORE = {
    "time": T, "value": F, "technology.value": F, "endpoint.value": F,
    "endpoint.boot_speed_value": F, "endpoint.logon_speed_value": F,
    "endpoint.software_reliability_value": F, "endpoint.device_reliability_value": F,
    "endpoint.boot_speed_score_impact": F, "endpoint.logon_speed_score_impact": F,
    "collaboration.value": F, "applications.value": F, "sentiment.value": F,
}  # fmt: skip

_COLLABORATION = {
    "call.id": S, "call.start_time": T, "call.end_time": T, "call.type": E, "call.quality": E,
    "application.type": E, "application.version": V,
    "audio.quality": E, "audio.inbound_packet_loss": F, "audio.outbound_packet_loss": F,
    "audio.inbound_jitter": D, "audio.outbound_jitter": D, "audio.rtt": D,
    "video.quality": E, "video.inbound_packet_loss": F, "video.outbound_packet_loss": F,
    "participant_device.type": E,
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
        "start_time": T, "number_of_transactions": I, "duration": D, "status": E,
    },
    "collaboration.sessions": _COLLABORATION,
    "package.installations": {"time": T, "status": E, "type": E},
    "dex.scores": _SCORE,
    "alert.alerts": {
        "time": T, "recovery_time": T, "duration": D, "status": E, "number_of_alerts": I,
    },
    "alert.impacts": {"time": T, "status": E, "number_of_impacts": I},
}  # fmt: skip

# Filled by requests to the tenant, not by the estate.
FED: dict[str, Mapping[str, Kind]] = {
    "remote_action.executions": {**_EXECUTED, "execution_id": S, "outputs": S, "purpose": E},
    "workflow.executions": {**_EXECUTED, "execution_id": S, "outcome": E, "outcome_details": S,
                            "duration": D},
    "campaign.responses": {"time": T, "first_targeted": T, "request_id": S, "state": E,
                           "state_details": S, "answers": S, "trigger_method": E},
    # Only the existence of this table is published: its fields are guesses.
    "platform.nql_api_logs": {"time": T, "query_id": S, "type": E, "status": E,
                              "number_of_rows": I, "duration": D, "status_details": S},
}  # fmt: skip
# Fields of the action or campaign that such a table has in addition to its own.
FED_HEADS: dict[str, Mapping[str, Kind]] = {
    "remote_action": {"name": S, "nql_id": S, "uid": S, "description": S},
    "workflow": {"name": S, "nql_id": S, "uid": S, "description": S},
    "campaign": {"name": S, "nql_id": S, "uid": S, "description": S},
}
