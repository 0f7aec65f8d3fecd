"""The generated export's columns and their types, for tools that import nothing else of ours."""

COLUMNS = (
    ("event_time", "datetime"),
    ("event_id", "int"),
    ("device_name", "string"),
    ("device_uid", "string"),
    ("user_name", "string"),
    ("user_uid", "string"),
    ("entity", "string"),
    ("os_name", "string"),
    ("ip_address", "string"),
    ("binary_name", "string"),
    ("binary_version", "string"),
    ("binary_hash", "string"),
    ("application_name", "string"),
    ("started_at", "datetime"),
    ("ended_at", "datetime"),
    ("duration_s", "float"),
    ("cpu_time_s", "float"),
    ("memory_bytes", "int"),
    ("incoming_bytes", "int"),
    ("outgoing_bytes", "int"),
    ("freezes", "int"),
    ("is_admin", "bool"),
    ("tags", "list"),
    ("message", "string"),
)
TIMES = tuple(name for name, kind in COLUMNS if kind == "datetime")
