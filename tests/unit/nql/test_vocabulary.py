"""What is known of tables and fields."""

import pytest

from nql.vocabulary.notes import Evidence
from nql.vocabulary.tables import TABLES, find


@pytest.mark.parametrize(
    ("table", "field", "unit", "evidence"),
    [
        ("execution.events", "execution.event.real_memory", "bytes", Evidence.DOCUMENTED),
        ("execution.events", "device.hardware.memory", "bytes", Evidence.DOCUMENTED),
        ("session.logins", "session.login.time_until_desktop_is_ready", "seconds", "documented"),
        ("device_performance.events", "device_performance.event.system_drive_usage", "bytes",
         "documented"),
        ("connectivity.events", "connectivity.event.wifi.signal_strength", "dBm", "documented"),
        ("ticket.tickets", "ticket.number", "", Evidence.GUESSED),
    ],
)  # fmt: skip
def test_a_field_has_a_unit_and_the_evidence_for_it(
    table: str, field: str, unit: str, evidence: str
) -> None:
    words = find(table)
    assert words is not None
    found = words.fields[field]
    assert (found.unit, found.evidence) == (unit, evidence)


def test_tables_are_found_by_path_shortcut_or_id() -> None:
    assert find("devices") is TABLES["device.devices"]
    assert TABLES["execution.crashes"].meaning == "a crash of a binary"
    dynamic = find("remote_action.#restart.executions")
    assert dynamic is not None
    assert dynamic.identity == "#restart"
    assert find("custom_trend.#disks.snapshots") is not None
    assert find("no.such_table") is None
