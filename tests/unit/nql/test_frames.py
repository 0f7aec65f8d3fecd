"""How far back a query goes."""

from datetime import timedelta

import pytest

from nql.frames import reach_of
from nql.parser import parse


@pytest.mark.parametrize(
    ("frame", "reach"),
    [
        ("during past 36h", timedelta(hours=36)),
        ("during past 30d", timedelta(days=29)),
        ("during past 90min", timedelta(minutes=90)),
        ("from 6h ago to 2h ago", timedelta(hours=6)),
        ("", timedelta(hours=24)),
        ("on 2026-11-20", None),
    ],
)
def test_a_frame_says_how_far_back(frame: str, reach: timedelta | None) -> None:
    assert reach_of(parse(f"execution.events {frame}\n| list time")) == reach
