"""The schedule of a dataset: what is refused, and with which words; cron without Prefect."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from connectors.catalogue import DatasetSpecification, read_raw
from connectors.catalogue.cron import parse_cron
from connectors.catalogue.schedule import Schedule

DATASETS = Path(__file__).resolve().parents[4] / "deployments" / "datasets"
DAY = timedelta(days=1)
MONTHS = ["jan", "Jun", "DEC", "may"]
WEEKDAYS = ["sun", "Mon", "FRI", "7"]


def refused(**given: Any) -> str:
    """Return why a schedule is refused."""
    with pytest.raises(ValidationError) as error:
        Schedule(**given)
    return " ".join(str(each["msg"]) for each in error.value.errors())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "needs either cron or every"),
        ({"cron": "0 6 * * *", "every": "1d"}, "needs either cron or every"),
        ({"cron": "0 6 * *"}, "has 4 fields instead of five"),
        ({"cron": "0 6 * * * *"}, "has 6 fields instead of five"),
        ({"cron": "60 6 * * *"}, "minute: '60' must be 0 to 59"),
        ({"cron": "0 6 0 * *"}, "day of the month: '0' must be 1 to 31"),
        ({"cron": "0 6 * foo *"}, "month: 'foo' must be 1 to 12, or jan to dec"),
        ({"cron": "0 18-6 * * *"}, "hour: '18-6' begins after its end"),
        ({"cron": "*/90 * * * *"}, "minute: the step of '*/90' must be from 1 to 59"),
        ({"cron": "0 6 31 2 *"}, "there is no such day"),
        ({"cron": "* * * * *"}, "runs again after 1 min at the shortest"),
        ({"cron": "*/7 * * * *"}, "runs again after 4 min at the shortest"),
        ({"cron": "0 6 * * *", "timezone": "Europe/Zurch"}, "did you mean Europe/Zurich?"),
        ({"cron": "0 6 * * *", "timezone": "europe/zurich"}, "did you mean Europe/Zurich?"),
        ({"cron": "0 6 * * *", "timezone": "localtime"}, "not an IANA time zone"),
        ({"cron": "0 6 * * *", "timezone": "../zone"}, "not an IANA time zone"),
        ({"every": "1h", "timezone": "UTC"}, "only with cron"),
        ({"every": "7h"}, "must divide a day, or be whole days"),
        ({"every": "1min"}, "from 5min to 31d"),
        ({"every": "0h"}, "from 5min to 31d"),
        ({"every": "90d"}, "from 5min to 31d"),
        ({"every": "often"}, "must be a duration"),
        ({"every": "1h", "cros": "x"}, "not permitted"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_with_its_reason(
    given: dict[str, str], why: str
) -> None:
    assert why in refused(**given)


def field(least: int, most: int, words: list[str]) -> st.SearchStrategy[str]:
    """Return a strategy of what a field may have, in its range."""
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.tuples(st.sampled_from(["*", f"{least}-{most}"]), st.integers(1, most - least))
    item = st.one_of(
        st.just("*"), number.map(str), span, step.map(lambda pair: f"{pair[0]}/{pair[1]}")
    )
    if words:
        item = st.one_of(item, st.sampled_from(words))
    return st.lists(item, min_size=1, max_size=2).map(",".join)


@given(
    st.tuples(
        field(0, 59, []),
        field(0, 23, []),
        field(1, 31, []),
        field(1, 12, MONTHS),
        field(0, 7, WEEKDAYS),
    )
)
def test_what_is_accepted_is_accepted_by_prefect_too(fields: tuple[str, ...]) -> None:
    text = " ".join(fields)
    parse_cron(text)
    assert CronSchedule(cron=text, timezone="UTC")


@pytest.mark.parametrize(
    ("cron", "shortest", "longest"),
    [
        ("20 * * * *", timedelta(hours=1), timedelta(hours=1)),
        ("*/15 * * * *", timedelta(minutes=15), timedelta(minutes=15)),
        ("0 6,18 * * *", timedelta(hours=12), timedelta(hours=12)),
        ("30 5 * * *", DAY, DAY),
        ("@daily", DAY, DAY),
        ("0 6 * * mon-fri", DAY, 3 * DAY),
        ("0 6 * * 7", 7 * DAY, 7 * DAY),
        ("0 6 1 * *", 28 * DAY, 31 * DAY),
        # Either field is enough, as cron has it.
        ("0 6 13 * 5", DAY, 7 * DAY),
        ("0 6 29 2 *", 1461 * DAY, 1461 * DAY),
    ],
)
def test_the_shortest_and_the_longest_gap_are_known(
    cron: str, shortest: timedelta, longest: timedelta
) -> None:
    assert parse_cron(cron).gaps == (shortest, longest)


def test_a_schedule_that_would_leave_out_days_for_good_is_refused() -> None:
    raw = dict(read_raw(DATASETS / "device_performance.yaml"))
    DatasetSpecification.model_validate(raw | {"schedule": {"every": "6d"}})
    for when in ({"every": "7d"}, {"cron": "0 6 * * 0"}):
        with pytest.raises(ValidationError, match="7d apart, but the query reaches back 7d only"):
            DatasetSpecification.model_validate(raw | {"schedule": when})
    with pytest.raises(ValidationError, match=r"write \{cron"):
        DatasetSpecification.model_validate(raw | {"schedule": "0 6 * * *"})
