"""How many units have ended, at what pace, and how long the others will take."""

from tasks.runs.progress import LANDED, Count, Progress


def test_a_pace_is_told_once_there_was_time_to_see_one() -> None:
    now = [100.0]
    count = Count(90, lambda: now[0])
    assert str(count) == "0 of 90 windows"
    count.add(Progress("crashes", "a", "downloading", 1))
    now[0] += 0.001
    count.add(Progress("crashes", "a", LANDED, 1))
    assert str(count) == "1 of 90 windows"
    now[0] += 119.999
    count.add(Progress("crashes", "b", LANDED, 1))
    assert str(count) == "2 of 90 windows, 1.0/min, 88 min 00 s left"
