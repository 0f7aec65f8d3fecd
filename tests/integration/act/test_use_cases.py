"""The worked examples that ship: a pulse survey, a maintenance notice."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from connectors.errors import ActionRefusedError
from tasks.act.asked import ActionAsked
from tests.actions import Acting, acting
from tests.landing import Place


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=60, now=None) as ready:
        yield ready


def test_the_answers_to_a_pulse_survey_land_as_a_dataset(made: Acting) -> None:
    report = made.run("pulse_survey", ActionAsked(wait=False))
    assert report["requested"] > 20
    place: Place = made.place
    place.land(place.plan("pulse_responses"))
    landed = place.landed("pulse_responses")
    assert landed.height == report["requested"]
    assert set(landed["state"]) == {"answered"}
    assert set(landed["satisfaction"]) <= {"Very good", "Good", "Bad", "Very bad"}
    assert landed["department"].n_unique() > 3
    assert landed.schema["asked_at"] == pl.Datetime("us", "UTC")


def test_a_notice_reaches_one_department_with_its_parameters(made: Acting) -> None:
    people = made.tenant.frame("#people_of_department", {"department": "Finance"})["user.sid"]
    given = {"system": "Payroll", "begins": "Friday 18:00", "ends": "Friday 20:00"}
    with pytest.raises(ActionRefusedError):
        made.run("maintenance_notice", ActionAsked(wait=False))
    report = made.run("maintenance_notice", ActionAsked(parameters=given, wait=False))
    assert set(made.done()) == set(people.drop_nulls())
    assert report["requested"] == len(made.done()) > 0
    assert {frozenset(each.parameters.items()) for each in made.tenant.actions.requests} == {
        frozenset(given.items())
    }
