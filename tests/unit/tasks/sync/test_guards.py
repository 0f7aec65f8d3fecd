"""Guards: which numbers stop a plan, and the message."""

from typing import Any

import pytest

from connectors.errors import DataRefusedError
from connectors.syncs import Guards
from tasks.sync.guards import Guard, GuardNumbers, check_accepted, findings


def tripped(guards: Guards | None = None, **numbers: Any) -> list[str]:
    calm: dict[str, Any] = {
        "rows": 1000,
        "keys": 1000,
        "is_full": True,
        "last_keys": 1000,
        "known": 1000,
        "changed": 0,
        "with_value": 1000,
        "cleared": 0,
    }
    return [found.guard for found in findings(guards or Guards(), GuardNumbers(**(calm | numbers)))]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, []),
        ({"keys": 800}, []),
        ({"keys": 799}, [Guard.SHRINK]),
        ({"keys": 799, "is_full": False}, []),
        ({"keys": 5, "last_keys": None}, []),
        ({"keys": 0}, [Guard.EMPTY]),
        ({"keys": 0, "last_keys": None}, [Guard.EMPTY]),
        ({"keys": 0, "rows": 0, "is_full": False}, []),
        ({"changed": 500}, []),
        ({"changed": 501}, [Guard.CHANGES]),
        ({"cleared": 100}, []),
        ({"cleared": 101}, [Guard.CLEARS]),
        (
            {"keys": 500, "changed": 900, "cleared": 500},
            [Guard.SHRINK, Guard.CHANGES, Guard.CLEARS],
        ),
        # With fewer than 20 keys every share is large, and a number counts too.
        ({"known": 2, "changed": 2, "with_value": 5, "cleared": 2, "last_keys": 4, "keys": 2}, []),
        (
            {"known": 19, "changed": 19, "with_value": 19, "cleared": 3},
            [Guard.CHANGES, Guard.CLEARS],
        ),
        ({"known": 20, "changed": 20}, [Guard.CHANGES]),
        ({"last_keys": 3, "keys": 1}, []),
        ({"last_keys": 3, "keys": 3, "lost": 3, "with_value": 3}, [Guard.SHRINK]),
        # As many others came as went.
        ({"lost": 200}, []),
        ({"lost": 201}, [Guard.SHRINK]),
        ({"lost": 201, "is_full": False}, []),
        ({"lost": 900, "new": 900}, [Guard.SHRINK, Guard.NEW]),
        ({"new": 500, "first_values": 500}, []),
        ({"new": 501, "first_values": 501}, [Guard.SETS, Guard.NEW]),
        # There is nothing to measure a first run by.
        ({"known": 0, "last_keys": None, "new": 200, "first_values": 0}, []),
        ({"known": 0, "last_keys": None, "new": 201}, [Guard.FIRST]),
        ({"known": 0, "with_value": 0, "new": 201}, [Guard.FIRST]),
        # Day by day below the limit.
        ({"cleared": 80, "cleared_lately": 120}, []),
        ({"cleared": 80, "cleared_lately": 160, "with_value": 840}, [Guard.CUMULATIVE]),
        ({"cleared": 0, "cleared_lately": 900}, []),
        ({"lost": 150, "lost_lately": 260}, [Guard.CUMULATIVE]),
        ({"lost": 150, "lost_lately": 260, "is_full": False}, []),
    ],
)
def test_a_guard_trips_above_its_share(numbers: dict[str, Any], expected: list[str]) -> None:
    assert tripped(**numbers) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"changes": 1.0}, []),
        ({"changes": 1.0, "sets": 0.1}, [Guard.SETS]),
        ({"changes": 1.0, "new": 0.1}, [Guard.NEW]),
    ],
)
def test_first_values_have_the_limit_of_changes_unless_they_have_one(
    limits: dict[str, float], expected: list[str]
) -> None:
    assert tripped(Guards(**limits), changed=900, new=900, first_values=900) == expected


def test_what_tripped_is_told_with_its_numbers_in_one_line() -> None:
    numbers = GuardNumbers(
        rows=480,
        keys=480,
        is_full=True,
        last_keys=1000,
        known=1000,
        changed=0,
        with_value=1000,
        cleared=0,
    )
    found = findings(Guards(shrink=0.2), numbers)
    with pytest.raises(DataRefusedError) as caught:
        check_accepted("cmdb", found, [])
    text = str(caught.value)
    assert (
        "shrink: 520 of 1,000 keys of the last full pull are gone (52.0%, the limit is 20%)" in text
    )
    assert "nxp apply cmdb --accept-guard shrink --why TEXT" in text
    assert text.startswith("cmdb: nothing was sent: guard shrink: ")
    assert "\n" not in text
    with pytest.raises(DataRefusedError):
        check_accepted("cmdb", found, ["clears"])
    check_accepted("cmdb", found, ["shrink"])
