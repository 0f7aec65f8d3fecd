"""Which schedules a deploy leaves on: as shipped, switched by hand, replaced, activated."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from connectors.actions import load_actions
from connectors.errors import UsageError
from nxp.deployment.changes import ServerChange, Verb, WantedState, pools_and_deployments
from nxp.deployment.entries import ConcurrencyLimit, DeploymentEntry, Pool, Timetable
from nxp.deployment.files import Deployment, load_deployments
from nxp.deployment.server import ServerInventory
from nxp.deployment.switches import SwitchRequest, switches
from nxp.doctor.acting import look_at_acting
from nxp.doctor.server import _missing

CATALOG = Path(__file__).resolve().parents[4] / "deployments"
SHIPPED = load_deployments(CATALOG)
ACTING = [each for each in SHIPPED if each.acts]
ACTIONS = load_actions(CATALOG)
HEAL = "self-healing/free-disk-space-self-healing"
SYNC = "enrichment-sync/cmdb-devices-sync"


def shipped(name: str) -> Deployment:
    """Return a shipped deployment."""
    return next(each for each in SHIPPED if each.name == name)


def on_server(
    wanted: Deployment, *, active: bool = True, paused: bool = False, slug: str | None = None
) -> DeploymentResponse:
    """Return a deployment as the server has it after a deploy, with its schedules on or off."""
    entry = wanted.entry
    now = datetime.now(UTC)
    identity = uuid4()
    return DeploymentResponse(
        id=identity,
        created=now,
        updated=now,
        name=entry.name,
        flow_id=uuid4(),
        description=entry.description,
        entrypoint=entry.entrypoint,
        tags=wanted.tags,
        parameters=entry.parameters,
        parameter_openapi_schema=wanted.form,
        work_pool_name=entry.work_pool.name,
        job_variables=entry.work_pool.job_variables,
        paused=paused,
        labels={},
        schedules=[
            DeploymentSchedule(
                id=uuid4(),
                created=now,
                updated=now,
                deployment_id=identity,
                slug=slug or each.slug,
                schedule=each.schedule,
                active=active,
            )
            for each in entry.schedules
        ],
    )


def server(**known: DeploymentResponse) -> ServerInventory:
    """Return what a server has."""
    return ServerInventory(pools={}, deployments=dict(known), automations={})


def changes(
    found: ServerInventory, *deployments: Deployment, **asked: Any
) -> dict[str, ServerChange]:
    """Return the changes to deployments that a deploy would make, by name."""
    wanted = WantedState(deployments=deployments, automations=[], asked=SwitchRequest(**asked))
    made = pools_and_deployments(
        cast(SyncPrefectClient, SimpleNamespace(delete_deployment=print)), found, wanted
    )
    return {each.name: each for each in made if each.kind == "deployment"}


def test_all_that_acts_or_writes_ships_inactive_and_the_rest_active() -> None:
    for each in SHIPPED:
        for schedule in each.entry.schedules:
            # One lands the answers to a survey that nobody has sent yet; a site needs a place.
            is_off = each.acts or each.entry.name in {"pulse-responses-daily", "site-daily"}
            assert schedule.active is not is_off, each.name
            assert switches(each, None, server(), SwitchRequest()).on == (
                set() if is_off else {schedule.slug}
            )
    assert {each.flow for each in ACTING} == {
        "enrichment-sync",
        "enrichment-apply",
        "enrichment-retry",
        "assisted-service",
        "action-run",
        "self-help",
        "self-healing",
        "on-demand-data",
    }


def test_what_acts_without_a_person_ships_dry() -> None:
    for action in ACTIONS.values():
        assert action.dry_run or action.approval.value == "required", action.action


@pytest.mark.parametrize("name", [HEAL, SYNC])
def test_what_an_operator_has_active_is_listed_and_activate_keeps_it(name: str) -> None:
    wanted = shipped(name)
    found = server(**{name: on_server(wanted)})
    change = changes(found, wanted)[name]
    assert change.verb is Verb.CHANGE
    assert name in change.ends
    assert f"--activate {wanted.entry.name}" in change.ends
    assert str(wanted.entry.schedules[0].cron) in change.ends
    for word in (name, wanted.entry.name):
        kept = changes(found, wanted, activate=(word,))[name]
        assert not kept.ends
        assert switches(wanted, found.deployments[name], found, SwitchRequest(activate=(word,))).on


def test_a_schedule_switched_off_stays_off_also_under_a_new_slug_and_without_a_difference() -> None:
    wanted = shipped("maintain/maintain-users")
    for known in (
        on_server(wanted, active=False),
        on_server(wanted, paused=True),
        on_server(wanted, active=False, slug="its-old-slug"),
    ):
        found = server(**{wanted.name: known})
        assert not switches(wanted, known, found, SwitchRequest()).on
        assert switches(wanted, known, found, SwitchRequest(resume=True)).on
        assert switches(wanted, known, found, SwitchRequest(activate=("maintain-users",))).on


def test_resume_does_not_switch_on_what_the_file_has_inactive() -> None:
    wanted = shipped(HEAL)
    known = on_server(wanted, active=False)
    assert not switches(wanted, known, server(**{HEAL: known}), SwitchRequest(resume=True)).on


@pytest.mark.parametrize("paused", ["schedule", "deployment", "one without a schedule"])
def test_what_replaces_a_paused_one_starts_paused(paused: str) -> None:
    wanted = shipped("nql-export/inventory-daily")
    old = on_server(wanted, active=paused != "schedule", paused=paused != "schedule")
    if paused == "one without a schedule":
        old.schedules = []
    found = server(**{"nql-export/users-daily": old})
    after = switches(wanted, None, found, SwitchRequest(), found.ours)
    assert not after.on
    assert "starts paused" in after.about
    assert switches(
        wanted, None, found, SwitchRequest(activate=("inventory-daily",)), found.ours
    ).on


def test_what_replaces_an_active_one_and_starts_inactive_is_listed() -> None:
    wanted = shipped(SYNC)
    entry = wanted.entry.model_copy(update={"replaces": ("enrichment-sync/old",)})
    renewed = Deployment(entry, wanted.flow, wanted.form)
    made = changes(server(**{"enrichment-sync/old": on_server(wanted)}), renewed)
    assert "--activate cmdb-devices-sync" in made[SYNC].ends
    assert made["enrichment-sync/old"].verb is Verb.REMOVE
    assert not made["enrichment-sync/old"].ends


def test_a_removed_one_that_is_active_is_listed() -> None:
    old = on_server(shipped(HEAL))
    made = changes(server(**{"self-healing/mine": old}), shipped(SYNC))
    assert "self-healing/mine" in made["self-healing/mine"].ends


def test_a_schedule_of_an_operators_own_is_listed_and_a_new_slug_is_not() -> None:
    wanted = shipped("maintain/maintain-users")
    renamed = on_server(wanted, slug="its-old-slug")
    assert not changes(server(**{wanted.name: renamed}), wanted)[wanted.name].ends
    more = on_server(wanted)
    more.schedules += on_server(shipped("maintain/maintain-crashes"), slug="mine").schedules
    assert "10 4 * * *" in changes(server(**{wanted.name: more}), wanted)[wanted.name].ends


def test_only_leaves_everything_else_alone() -> None:
    gone = on_server(shipped(HEAL))
    found = server(**{"self-healing/gone": gone})
    made = changes(found, *SHIPPED, only=("maintain-*", "nql-export/inventory-daily"))
    assert "self-healing/gone" not in made
    assert {name.split("/")[0] for name in made} == {"maintain", "nql-export"}
    assert len([name for name in made if name.startswith("nql-export/")]) == 1
    with pytest.raises(UsageError, match=r"--only nothing-\*"):
        SwitchRequest(only=("maintain-*", "nothing-*")).check(SHIPPED, [])
    with pytest.raises(UsageError, match=r"--activate nobody: .*free-disk-space-self-healing"):
        SwitchRequest(activate=("nobody",)).check(SHIPPED, [])
    with pytest.raises(UsageError, match="no deployment with a schedule"):
        SwitchRequest(activate=("backfill",)).check(SHIPPED, [])
    with pytest.raises(UsageError, match="--only leaves it out"):
        SwitchRequest(only=("maintain-*",), activate=("cmdb-devices-sync",)).check(SHIPPED, [])


def test_a_second_deploy_leaves_what_is_inactive_alone() -> None:
    """Also with --resume, after which an inactive schedule would otherwise always differ."""
    wanted = shipped(HEAL)
    entry = wanted.entry.model_copy(update={"concurrency_limit": None})
    plain = Deployment(entry, wanted.flow, wanted.form)
    found = server(**{HEAL: on_server(plain, active=False)})
    for asked in ({}, {"resume": True}):
        assert changes(found, plain, **asked)[HEAL].verb is Verb.LEAVE


def test_doctor_lists_what_acts_by_itself() -> None:
    consent = "self-help/restart-agreed-self-help"
    deployments = {name: on_server(shipped(name)) for name in (HEAL, SYNC, consent)}
    deployments["nql-export/inventory-daily"] = on_server(shipped("nql-export/inventory-daily"))
    found = [each.what for each in look_at_acting(server(**deployments), ACTIONS)]
    assert len(found) == 3
    healing = next(what for what in found if what.startswith(HEAL))
    for word in ("30 12 * * 1-5", "dry_run: true", "approval: none", "200 targets"):
        assert word in healing
    assert "restart_consent" in next(what for what in found if what.startswith(consent))
    off = {name: on_server(shipped(name), active=False) for name in (HEAL, SYNC)}
    (nothing,) = look_at_acting(server(**off), ACTIONS)
    assert "nothing acts" in nothing.what


def test_an_acting_flow_of_a_file_without_a_word_about_active_is_listed_when_it_is_on() -> None:
    entry = DeploymentEntry(
        name="mine",
        entrypoint="flows.actions.self_healing",
        description="",
        work_pool=Pool(name="p"),
        tags=(),
        schedules=(Timetable(slug="s", cron="* * * * *", timezone="UTC"),),
        concurrency_limit=ConcurrencyLimit(limit=1),
    )
    mine = Deployment(entry, "self-healing", {})
    (listed,) = look_at_acting(server(**{mine.name: on_server(mine)}), ACTIONS)
    assert "not in this catalogue" in listed.what


def test_what_is_missing_is_one_line() -> None:
    (one,) = _missing("deployments", ["a"])
    assert one.what == "a is missing on the server"
    (many,) = _missing("deployments", [f"d{number}" for number in range(31)])
    assert "31 are missing" in many.what
    assert "26 more" in many.what
