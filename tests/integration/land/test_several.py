"""Several datasets in one command: exported ahead of their turn, or refused together."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.catalogue import load_dataset
from connectors.clock import utc_now
from connectors.errors import (
    AccessError,
    DataRefusedError,
    PartlyDoneError,
    PipelineError,
    UnavailableError,
    UsageError,
)
from connectors.ledger import open_ledger
from tasks.land.asked import Asked
from tasks.runs.freshness import Light, freshness_of
from tasks.stories.export import Exported, export_datasets
from tests.landing import CATALOG, Place, Use, place

NAMES = ("crashes", "devices", "users")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("place")) as made:
        yield made


@pytest.fixture
def here(tenant: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in {**tenant.environment, "NXP_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return tenant


@pytest.mark.usefixtures("here")
def test_datasets_are_not_tried_one_by_one_at_an_address_where_nothing_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEXTHINK_LOGIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NXP_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    pauses: list[float] = []
    with pytest.raises(UnavailableError, match="devices, users: not tried after crashes"):
        export_datasets([Asked(name) for name in NAMES], sleep=pauses.append)
    assert sum(pauses) < 40
    # Its watermark is known by now, but nothing has landed.
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", "sandbox.eu") as ledger:
        (crashes,) = freshness_of([load_dataset(CATALOG, "crashes")], ledger, utc_now())
    assert crashes.watermark is not None
    assert crashes.light is Light.NONE


def test_a_refused_credential_is_sent_once(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "wrong")
    before = here.tenant.requests["token"]
    with pytest.raises(AccessError, match="refuses the credential"):
        export_datasets([Asked(name) for name in NAMES])
    assert here.tenant.requests["token"] == before + 1


def test_a_message_about_many_datasets_names_the_first_ones() -> None:
    untried = UnavailableError("not tried after devices")
    few = Exported(failures=dict.fromkeys("abcdef", untried))
    assert few.reasons() == "a, b, c, d, e, f: not tried after devices"
    many = Exported(failures=dict.fromkeys("abcdefg", untried))
    assert many.reasons() == "a, b, c, d, e, 2 others: not tried after devices"


def test_an_unknown_name_among_several_is_refused_before_anything_runs(here: Place) -> None:
    before = here.tenant.requests.total()
    with pytest.raises(UsageError, match=r"unknown dataset .uers.: did you mean users"):
        export_datasets([Asked("devices"), Asked("uers")])
    assert here.tenant.requests.total() == before
    # On a schedule, a file that is gone stops only its own dataset.
    with pytest.raises(PartlyDoneError, match="1 of 2 datasets") as partly:
        export_datasets([Asked(name, is_scheduled=True) for name in ("gone", "devices")])
    assert partly.value.report is not None
    assert partly.value.report["failures"][0]["dataset"] == "gone"


@pytest.mark.parametrize(("at_once", "slots", "started"), [(4, 16, 3), (1, 16, 1), (4, 1, 1)])
def test_the_next_datasets_are_exported_while_one_is_awaited(
    tmp_path: Path,
    use: Use,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    slots: int,
    started: int,
) -> None:
    with place(tmp_path, export_time=30.0) as here:
        use(here)
        monkeypatch.setenv("NEXTHINK_EXPORTS_AT_ONCE", str(slots))
        requests = here.tenant.requests
        seen: list[int] = []

        def sleep(seconds: float) -> None:
            seen.append(requests["export"])
            here.tenant.clock.advance(timedelta(seconds=seconds))

        asked = [Asked(name, concurrency=at_once) for name in NAMES]
        done = export_datasets(asked, here.clock(), sleep)
        assert (seen[0], requests["export"]) == (started, 3)
        with open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu") as ledger:
            assert [ledger.journal.count(name) for name in NAMES] == [0, 0, 0]
    assert [report["dataset"] for report in done.reports] == list(NAMES)


def test_each_reason_names_its_dataset_once() -> None:
    failures: dict[str, PipelineError] = {
        "boots": DataRefusedError("boots 20261129T000000Z: 2 rows, but 5 have landed before"),
        "users": DataRefusedError("users: the result has user.uid twice"),
    }
    assert Exported(failures=failures).reasons() == (
        "boots: 20261129T000000Z: 2 rows, but 5 have landed before; "
        "users: the result has user.uid twice"
    )
