"""Enriched values that override the estate, and rows of actions that are fed into it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sandbox.engine import Engine
from sandbox.estate.feed import DeviceEffect, NoFeed
from sandbox.estate.overlay import OverlayValue
from sandbox.nql.errors import NqlNameError
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries
from tests.unit.sandbox.conftest import NOW, ask, make_engine


class Enriched:
    """An overlay with the values that a test sets."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], dict[str, OverlayValue]] = {}

    def values(self, entity: str, field: str) -> Mapping[str, OverlayValue]:
        return self.held.get((entity, field), {})

    def custom_fields(self, entity: str) -> frozenset[str]:
        return frozenset({"#late"}) if entity == "device" else frozenset()


class Acted:
    """A feed with the rows that a test sets."""

    def __init__(self, tables: Mapping[str, pl.DataFrame]) -> None:
        self.tables = tables

    def rows(self, table: str, now: datetime) -> pl.DataFrame | None:  # noqa: ARG002
        return self.tables.get(table)

    def ids(self, namespace: str) -> frozenset[str] | None:
        return frozenset({"#get_disk", "#other"}) if namespace == "remote_action" else None

    def effects(self, effect: DeviceEffect, now: datetime) -> pl.DataFrame:
        return NoFeed().effects(effect, now)


def engine_with(overlay: Enriched | None = None, feed: Acted | None = None) -> Engine:
    options = SandboxOptions(queries=make_engine()._options.queries, devices=50, now=NOW)
    return Engine(options, SavedQueries(options.queries), NOW, overlay, feed)


@pytest.fixture
def overlay() -> Enriched:
    return Enriched()


def test_a_custom_field_is_null_until_it_is_set_and_may_be_cleared(overlay: Enriched) -> None:
    engine = engine_with(overlay)
    text = "devices | list uid, #cost_center, device.#late"
    before = ask(engine, text)
    assert before.columns == ["device.uid", "device.#cost_center", "device.#late"]
    assert before["device.#cost_center"].is_null().all()
    first, second = before["device.uid"][:2]
    overlay.held["device", "#cost_center"] = {first: "CC 1", second: None, "unknown": "x"}
    after = ask(engine, text)
    assert after.drop("device.#cost_center").equals(before.drop("device.#cost_center"))
    assert after["device.#cost_center"].to_list()[:3] == ["CC 1", None, None]
    filtered = ask(engine, "devices | where #cost_center = 'cc 1' | list device.uid")
    assert filtered["device.uid"].to_list() == [first]


def test_a_value_set_by_enrichment_is_seen_wherever_the_object_is(overlay: Enriched) -> None:
    engine = engine_with(overlay)
    crash = "execution.crashes during past 7d | list device.uid, device.virtualization.region"
    uid = ask(engine, crash)["device.uid"][0]
    overlay.held["device", "virtualization.region"] = {uid: "eu-west"}
    rows = ask(engine, crash).filter(pl.col("device.uid") == uid)
    assert set(rows["device.virtualization.region"]) == {"eu-west"}
    grouped = ask(
        engine, "execution.crashes during past 7d | summarize n = count() by device.#late"
    )
    assert grouped.columns == ["device.#late", "n"]


def test_a_cleared_field_is_null_and_numbers_of_enumerations_become_words(
    overlay: Enriched,
) -> None:
    engine = engine_with(overlay)
    text = "devices | list uid, entity, virtualization.desktop_broker, virtualization.last_update"
    uid = ask(engine, text)["device.uid"][0]
    overlay.held["device", "entity"] = {uid: None}
    overlay.held["device", "virtualization.desktop_broker"] = {uid: 4}
    overlay.held["device", "virtualization.last_update"] = {uid: "2026-10-03T15:00:00.000Z"}
    row = ask(engine, text).row(0)
    assert row == (uid, None, "windows_365", datetime(2026, 10, 3, 15, tzinfo=UTC))


def test_users_have_custom_fields_of_their_own(overlay: Enriched) -> None:
    engine = engine_with(overlay)
    assert ask(engine, "users | list #cost_center").columns == ["user.#cost_center"]
    with pytest.raises(NqlNameError, match="asset_owner"):
        ask(engine, "users | list #asset_owner")


def executions(engine: Engine) -> pl.DataFrame:
    devices = ask(engine, "devices | list collector.uid")["device.collector.uid"]
    prefix = "remote_action.execution"
    return pl.DataFrame(
        {
            f"{prefix}.request_time": [NOW - timedelta(hours=h) for h in (30, 2, 1)],
            f"{prefix}.status": ["success", "success", "failure"],
            f"{prefix}.outputs": ['{"Free Space":"12","Größe":"a\\"b"}', '{"Free":"7"}', None],
            "remote_action.name": ["Get disk", "Get disk", "Other"],
            "remote_action.nql_id": ["#get_disk", "#get_disk", "#other"],
            "device.collector.uid": [devices[3], devices[3], "not there"],
        }
    )


def test_executions_are_read_with_their_devices_and_outputs() -> None:
    tables: dict[str, pl.DataFrame] = {}
    engine = engine_with(feed=Acted(tables))
    tables["remote_action.executions"] = executions(engine)
    name = ask(engine, "devices | list name")["device.name"][3]
    found = ask(
        engine,
        "remote_action.executions during past 24h | list device.name, time, status,"
        " request_time, remote_action.name | sort request_time desc",
    )
    assert found["device.name"].to_list() == [None, name]
    assert found.columns[1:4] == [
        "remote_action.execution.time",
        "remote_action.execution.status",
        "remote_action.execution.request_time",
    ]
    one = ask(engine, "remote_action.#get_disk.executions during past 7d | list outputs.Free")
    assert one.columns == ["remote_action.execution.outputs.Free"]
    assert one["remote_action.execution.outputs.Free"].to_list() == [None, "7"]


def test_an_action_that_does_not_exist_has_no_table() -> None:
    engine = engine_with(feed=Acted({}))
    with pytest.raises(NqlNameError, match="#nothing"):
        ask(engine, "remote_action.#nothing.executions during past 7d | list time")
    assert ask(engine, "workflow.#anything.executions during past 7d | list time").height == 0


def test_devices_are_told_apart_by_whether_an_action_ran() -> None:
    tables: dict[str, pl.DataFrame] = {}
    engine = engine_with(feed=Acted(tables))
    tables["remote_action.executions"] = executions(engine)
    query = (
        "devices | include remote_action.get_disk.executions during past 7d"
        " | where status == success | compute runs = count() | where runs {} 0 | list name"
    )
    ran, not_ran = (ask(engine, query.format(sign)) for sign in (">", "="))
    assert ran.height == 1
    assert not_ran.height == ask(engine, "devices | list name").height - 1


def test_answers_to_a_campaign_are_counted_for_each_user() -> None:
    tables: dict[str, pl.DataFrame] = {}
    engine = engine_with(feed=Acted(tables))
    sids = ask(engine, "users | list sid")["user.sid"]
    tables["campaign.responses"] = pl.DataFrame(
        {
            # Long past the retention of events: answers are kept forever.
            "campaign.response.time": [NOW - timedelta(days=400), NOW, NOW],
            "campaign.response.state": ["answered", "answered", "declined"],
            "campaign.nql_id": ["#welcome"] * 3,
            "user.sid": [sids[1], sids[1], sids[2]],
        }
    )
    found = ask(
        engine,
        "users | include campaign.#welcome.responses"
        " | compute answered_campaign = user.countif(state == answered), all = count()"
        " | summarize answered = answered_campaign.sum(), responses = all.sum()",
    )
    assert found.rows() == [(1, 3)]
