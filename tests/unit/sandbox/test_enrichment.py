"""Fields that clients write: which values they accept, and when these show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.clock import TenantClock
from sandbox.enrichment.fields import (
    EnrichableField,
    OutOfRangeError,
    TooLongError,
    Value,
    WrongTypeError,
    fields_of,
)
from sandbox.enrichment.store import EnrichmentStore, Received, Write
from sandbox.options import SandboxOptions

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIELDS = fields_of(SandboxOptions(queries=Path()))
OF_DEVICE = "device/device/virtualization/"


class Clock(TenantClock):
    """A clock that the test sets."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("device/device/configuration_tag", "gold", "gold"),
        ("device/device/configuration_tag", "", None),
        ("device/device/#cost_center", "é" * 64, "é" * 64),
        (f"{OF_DEVICE}desktop_broker", 3, "azure_virtual_desktops"),
        (f"{OF_DEVICE}desktop_broker", 0, None),
        (f"{OF_DEVICE}type", 2, "personal"),
        (
            f"{OF_DEVICE}last_update",
            "2023-10-03T15:00:00.000Z",
            datetime(2023, 10, 3, 15, tzinfo=UTC),
        ),
        (f"{OF_DEVICE}last_update", "2023-10-03", datetime(2023, 10, 3, tzinfo=UTC)),
        (
            "user/user/ad/last_update",
            "2023-10-03T15:00+02:00",
            datetime(2023, 10, 3, 13, tzinfo=UTC),
        ),
        ("user/user/ad/distinguished_name", "CN=" + "x" * 100, "CN=" + "x" * 100),
    ],
)
def test_a_value_is_kept_as_queries_show_it(name: str, given: object, read: Value) -> None:
    assert FIELDS[name].read(given) == read


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("device/device/#cost_center", 4711, WrongTypeError),
        ("device/device/#cost_center", ["x"], WrongTypeError),
        ("device/device/#cost_center", "x" * 65, TooLongError),
        (f"{OF_DEVICE}desktop_broker", "3", WrongTypeError),
        (f"{OF_DEVICE}desktop_broker", True, WrongTypeError),
        (f"{OF_DEVICE}desktop_broker", 8, OutOfRangeError),
        (f"{OF_DEVICE}type", 0, OutOfRangeError),
        (f"{OF_DEVICE}last_update", "yesterday", WrongTypeError),
        (f"{OF_DEVICE}last_update", "", WrongTypeError),
        (f"{OF_DEVICE}last_update", 20231003, WrongTypeError),
    ],
)
def test_other_values_are_refused(name: str, given: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        FIELDS[name].read(given)


def test_fields_are_known_by_entity_and_path() -> None:
    def place(name: str) -> tuple[str, str]:
        return FIELDS[name].entity, FIELDS[name].path

    assert place("device/device/configuration_tag") == ("device", "configuration_tag")
    assert place(f"{OF_DEVICE}region") == ("device", "virtualization.region")
    assert place("user/user/ad/department") == ("user", "ad.department")
    assert place("device/device/#cost_center") == ("device", "#cost_center")
    assert place("user/user/organization/#team") == ("user", "organization.#team")


def store(delay: float) -> tuple[EnrichmentStore, Clock]:
    clock = Clock()
    return EnrichmentStore(SandboxOptions(queries=Path(), enrichment_delay=delay), clock), clock


def write(made: EnrichmentStore, clock: Clock, name: str, value: Value) -> None:
    field: EnrichableField = made.fields[name]
    made.accept(Received(clock.now(), "test", 1, 0), [Write("uid", field, value)])


def test_values_show_after_their_delay() -> None:
    made, clock = store(delay=30)
    write(made, clock, "device/device/#asset_owner", "a")
    clock.moment += timedelta(seconds=20)
    write(made, clock, "device/device/#asset_owner", None)
    assert made.values("device", "#asset_owner") == {}
    clock.moment += timedelta(seconds=10)
    assert made.values("device", "#asset_owner") == {"uid": "a"}
    clock.moment += timedelta(seconds=20)
    assert made.values("device", "#asset_owner") == {"uid": None}
    assert made.values("user", "#asset_owner") == {}
    assert made.values("device", "configuration_tag") == {}


def test_custom_fields_are_those_of_the_entity() -> None:
    made, _ = store(delay=0)
    assert "#cost_center" in made.custom_fields("device")
    assert "organization.#team" in made.custom_fields("user")
    assert made.custom_fields("binary") == {"#license_owner"}
    assert made.custom_fields("application") == frozenset()


def test_the_options_refuse_custom_fields_that_cannot_be() -> None:
    def options(*names: tuple[str, str]) -> SandboxOptions:
        return SandboxOptions(queries=Path(), custom_fields=names)

    assert options(("device", "mine")).custom_fields_of("device") == {"#mine"}
    for name in (("device", "Mine"), ("printer", "mine"), ("user", "team.#mine")):
        with pytest.raises(ValueError, match="is not a valid name"):
            options(name)
    with pytest.raises(ValueError, match="more than 100"):
        options(*(("device", f"mine_{n}") for n in range(101)))
