"""Names of flow runs: verb, subject, and the day."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from flows.naming import is_scheduled, named, subjects


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dataset": "crashes"}, ["crashes"]),
        ({"dataset": ["devices", "users"]}, ["devices, users"]),
        ({"dataset": "crashes", "ticket": "INC1"}, ["crashes", "INC1"]),
        ({"dataset": "crashes", "ticket": ""}, ["crashes"]),
        ({}, []),
    ],
)
def test_a_subject_is_made_of_the_parameters_that_have_a_value(
    given: dict[str, object], words: list[str]
) -> None:
    assert subjects(given, "dataset", "ticket") == words


def test_outside_a_flow_run_a_name_has_the_verb_and_today() -> None:
    before = datetime.now(UTC)
    name = named("export", "dataset")()
    assert name in {f"export {day:%F}" for day in (before, datetime.now(UTC))}


def test_outside_a_flow_run_a_person_started_it() -> None:
    assert not is_scheduled()


@pytest.mark.parametrize(
    ("run", "scheduled"),
    [
        ({"auto_scheduled": True}, True),
        ({"created_by": {"type": "SCHEDULE"}}, True),
        ({"created_by": {"type": "AUTOMATION"}}, True),
        ({"created_by": {"type": "DEPLOYMENT"}}, False),
        ({}, False),
    ],
)
def test_a_run_of_a_schedule_or_an_automation_was_started_by_no_person(
    run: dict[str, object], scheduled: bool
) -> None:
    flow_run = FlowRun.model_validate({"flow_id": uuid4(), **run})
    # Of a flow run's context nothing else is looked at.
    context: Any = FlowRunContext
    with context.model_construct(flow_run=flow_run):
        assert is_scheduled() is scheduled
