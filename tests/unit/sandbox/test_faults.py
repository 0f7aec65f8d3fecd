"""Which requests a fault hits."""

from itertools import product

import pytest

from sandbox.faults import KINDS, ODD, ROUTES, Fault, Faults
from tests.unit.sandbox.conftest import make_engine


def test_a_fault_is_written_as_it_is_read() -> None:
    for kind, route, suffix in product([*KINDS, *ODD], ROUTES, ["", ":1", ":25%", ":0.5%"]):
        text = f"{kind}@{route}{suffix}"
        assert str(Fault.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("504@status", "kind '504' is unknown; known are 401, 403"),
        ("429@status", "429-seconds, 429-date, 429-iso"),
        ("503@poll", "route 'poll' is unknown; known are token, execute"),
        ("503", "KIND@ROUTE:COUNT"),
        ("503@status:", "KIND@ROUTE:COUNT"),
        ("503@status:often", "KIND@ROUTE:COUNT"),
        ("503@status:-1", "KIND@ROUTE:COUNT"),
        ("503@status:101%", "more than 100"),
        ("", "KIND@ROUTE"),
    ],
)
def test_unknown_words_are_refused_and_the_known_ones_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Fault.parse(text)


def test_without_faults_nothing_happens() -> None:
    assert Faults(1).strike("status") is None


def strikes(faults: Faults, route: str, count: int) -> list[str | None]:
    struck = [faults.strike(route) for _ in range(count)]
    return [fault.kind if fault else None for fault in struck]


def test_a_count_falls_on_the_first_requests_of_its_route_only() -> None:
    faults = Faults(1, ["503@status:2"])
    assert strikes(faults, "export", 3) == [None] * 3
    assert strikes(faults, "status", 4) == ["503", "503", None, None]


def test_without_a_suffix_every_request_is_hit() -> None:
    assert strikes(Faults(1, ["reset@token"]), "token", 5) == ["reset"] * 5


def test_counted_faults_of_one_route_follow_each_other() -> None:
    faults = Faults(1, ["503@status:2", "reset@status:1"])
    assert strikes(faults, "status", 4) == ["503", "503", "reset", None]


def test_a_share_is_about_as_large_as_asked_and_the_same_for_the_same_seed() -> None:
    first = strikes(Faults(7, ["500@export:30%"]), "export", 1000)
    assert first == strikes(Faults(7, ["500@export:30%"]), "export", 1000)
    assert first != strikes(Faults(8, ["500@export:30%"]), "export", 1000)
    assert 250 < first.count("500") < 350


def test_a_share_does_not_depend_on_its_neighbours() -> None:
    alone = strikes(Faults(7, ["500@export:30%"]), "export", 100)
    beside = strikes(Faults(7, ["500@export:30%", "cut@export:30%"]), "export", 100)
    assert [kind == "500" for kind in beside] == [kind == "500" for kind in alone]


def test_faults_come_and_go_while_the_tenant_serves_and_are_counted() -> None:
    faults = Faults(1)
    faults.add("403@enrich:1", Fault("cut", "enrich"))
    assert strikes(faults, "enrich", 3) == ["403", "cut", "cut"]
    faults.clear()
    assert faults.strike("enrich") is None
    assert faults.struck == {"403@enrich:1": 1, "cut@enrich": 2}


def test_the_options_name_every_problem_of_their_faults() -> None:
    engine = make_engine(faults=("503@status:2", "cut@download:10%"))
    assert engine is not None
    with pytest.raises(ValueError, match=r"'later'.*'nowhere'"):
        make_engine(faults=("later@status", "503@nowhere"))
