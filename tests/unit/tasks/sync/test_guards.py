"""Guards: which numbers stop a plan, and the message."""

from typing import Any

import pytest

from connectors.errors import DataRefusedError
from connectors.syncs import Guards
from tasks.sync.guards import Guard, GuardNumbers, check_accepted, findings


def tripped(**numbers: Any) -> list[str]:
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
    return [found.guard for found in findings(Guards(), GuardNumbers(**(calm | numbers)))]


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
        # With fewer than 20 keys every share is large.
        ({"known": 19, "changed": 19, "with_value": 19, "cleared": 19}, []),
        ({"known": 20, "changed": 20}, [Guard.CHANGES]),
        ({"last_keys": 19, "keys": 1}, []),
    ],
)
def test_a_guard_trips_above_its_share(numbers: dict[str, Any], expected: list[str]) -> None:
    assert tripped(**numbers) == expected


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
    assert "\n" not in text
    with pytest.raises(DataRefusedError):
        check_accepted("cmdb", found, ["clears"])
    check_accepted("cmdb", found, ["shrink"])
