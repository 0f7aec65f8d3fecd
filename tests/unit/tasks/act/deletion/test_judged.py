"""What an answer says of each device, and which planned devices may still be deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.nexthink.acting.answers import DeletionAnswer
from connectors.nexthink.acting.devices import DeviceDeletionRequest, DeviceEntry
from tasks.act.deletion.answers import seen_of, statuses_of
from tasks.act.deletion.inventory import Inventory, devices_of
from tasks.act.deletion.send import judged

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SEEN = datetime(2026, 11, 1, tzinfo=UTC)
IDS = [f"11111111-2222-3333-4444-{number:012x}" for number in range(3)]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (
            [{"uid": IDS[0].upper(), "status": "SCHEDULED"}, {"uid": IDS[1], "status": "FAILED"}],
            {IDS[0]: "scheduled", IDS[1]: "failed"},
        ),
        # Known by its place only if no entry is missing; a stranger is nobody's.
        ([{"status": "INVALID"}], {}),
        ([{"status": "INVALID"}, {}, {}], {IDS[0]: "invalid", IDS[1]: "", IDS[2]: ""}),
        ([{"uid": "x", "status": "SCHEDULED"}, "odd", None, {"uid": 5}], {}),
        (None, {}),
        ("odd", {}),
    ],
)
def test_answers_of_any_form_are_read(devices: Any, expected: dict[str, str]) -> None:
    request = DeviceDeletionRequest([DeviceEntry(uid, "PC") for uid in IDS])
    answer = DeletionAnswer.model_validate({"devices": devices, "scheduledCount": "many"})
    assert statuses_of(request, answer) == expected
    seen = {target: (code, status) for target, code, status in seen_of(request, answer).rows()}
    assert seen.keys() == set(IDS)
    assert all(code in (None, "failed", "invalid") for code, _ in seen.values())


def row(uid: str, name: str | None, seen: datetime | None) -> dict[str, Any]:
    return {"uid": uid, "device_uid": uid, "name": name, "last_seen": seen}


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ([row("a", "PC", SEEN)], None),
        ([row("a", "PC", SEEN + timedelta(microseconds=1))], "seen_since"),
        ([row("a", "PC", SEEN - timedelta(days=1))], "seen_since"),
        ([row("a", "PC", None)], "no_last_seen"),
        ([row("a", "PC", SEEN), row("a", "PC", SEEN)], "ambiguous"),
        ([row("a", "pc", SEEN)], "renamed"),
        ([row("a", None, SEEN)], "renamed"),
        ([row("b", "PC", SEEN)], "unknown"),
    ],
)
def test_a_device_is_deleted_only_as_it_was_planned(
    now: list[dict[str, Any]], reason: str | None
) -> None:
    planned = pl.DataFrame({"target": ["a"], "name": ["PC"], "last_seen": [SEEN], "reason": [None]})
    devices = pl.DataFrame(now, schema_overrides={"last_seen": pl.Datetime("us", "UTC")})
    assert judged(planned, Inventory(NOW, devices))["reason"].to_list() == [reason]


@pytest.mark.parametrize(
    ("zone", "text", "is_certain"),
    [
        ("Europe/Zurich", "2026-10-25 02:30:00", False),
        ("Europe/Zurich", "2026-10-25 01:30:00", True),
        ("Europe/Zurich", "2026-10-25 03:00:00", True),
        ("Australia/Lord_Howe", "2026-04-05 01:45:00", False),
        ("UTC", "2026-10-25 02:30:00", True),
    ],
)
def test_a_time_that_a_zone_has_twice_is_no_time(zone: str, text: str, is_certain: bool) -> None:
    """Seen in the second of the two hours, a device would look as if it had not been seen."""
    names = ("device.collector.uid", "device.name", "device.last_seen")
    rows = pl.DataFrame(dict(zip(names, [["A"], ["PC"], [text]], strict=True)))
    (seen,) = devices_of(rows, zone)["last_seen"]
    assert (seen is not None) == is_certain
