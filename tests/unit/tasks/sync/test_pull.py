"""When only the changes of a source are pulled."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.sync.pull import PullState, since_when
from tests.shaping import AT, sync_of

HOUR = timedelta(hours=1)
SOURCES = {
    "hr": {
        "kind": "sql",
        "connection": "hr",
        "query": "SELECT 1",
        "key": ["id"],
        "incremental": "at",
    }
}
SYNC = sync_of(sources=SOURCES, incremental="hr", sql="SELECT * FROM hr", full_every="1d")


@pytest.mark.parametrize(
    ("changes", "sync", "full"),
    [
        ({"full_at": AT - timedelta(days=1)}, SYNC, False),
        ({"full_at": AT + HOUR}, SYNC, False),
        ({"full_at": None}, SYNC, False),
        ({"fingerprint": "another"}, SYNC, False),
        ({"cursors": {}}, SYNC, False),
        ({"cursors": {"other": "there"}}, SYNC, False),
        ({}, SYNC, True),
        ({}, sync_of(sources=SOURCES, sql="SELECT * FROM hr"), False),
    ],
)
def test_all_rows_are_pulled_unless_everything_speaks_for_the_changes(
    changes: dict[str, Any], sync: Any, full: bool
) -> None:
    kept = {"fingerprint": sync.fingerprint, "full_at": AT - HOUR, "cursors": {"hr": "here"}}
    assert since_when(SYNC, PullState(SYNC.fingerprint, AT - HOUR, {"hr": "here"}), AT) == "here"
    assert since_when(sync, PullState(**(kept | changes)), AT, full=full) is None
