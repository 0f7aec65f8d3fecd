"""Reading all syncs of a catalogue, and finding what does not fit the rest of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.errors import ConfigurationError, UsageError
from connectors.syncs import load_sync, load_syncs
from tests.landing import CATALOG, catalogue
from tests.shaping import CENTRE, SYNC

UID = {"name": "device/device/uid"}
INVENTORY = {"dataset": "devices", "match": {"name": "device_name"}, "identity": "device_uid"}


def with_sync(catalog: Path, name: str = "machines", **changes: Any) -> Path:
    """Write a sync that differs from the plain one."""
    (catalog / "syncs").mkdir(exist_ok=True)
    text = yaml.safe_dump(SYNC | {"sync": name} | changes)
    (catalog / "syncs" / f"{name}.yaml").write_text(text, "utf-8")
    return catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """The shipped catalogue without its syncs, plus datasets unfit as an inventory."""
    made = catalogue(
        tmp_path,
        {"some_devices": "devices /* | limit */\n|  WHERE name = 'x' | list uid"},
        in_table={"like": "devices", "landings": ["sql"]},
        some={"like": "devices", "query_id": "#some_devices"},
    )
    for path in (made / "syncs").glob("*"):
        path.unlink()
    return made


def test_the_shipped_syncs_are_valid() -> None:
    assert list(load_syncs(CATALOG)) == ["cmdb_devices", "hr_users", "vip_users"]


def test_a_catalogue_without_syncs_has_none(catalog: Path) -> None:
    (catalog / "syncs").rmdir()
    assert load_syncs(catalog) == {}
    with pytest.raises(UsageError, match="'machines': the catalogue has none"):
        load_sync(catalog, "machines")


def test_an_unknown_sync_names_those_there_are(catalog: Path) -> None:
    with pytest.raises(UsageError, match="has machines"):
        load_sync(with_sync(catalog), "nope")
    assert load_sync(catalog, "machines").domain == "cmdb"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sync": "others"}, "'others' is not the file's"),
        ({"verify": {"query_id": "#nothing"}}, "no saved query queries/nothing.nql"),
        ({"identification": UID, "inventory": INVENTORY | {"dataset": "nope"}}, "not one of"),
        (
            {"identification": UID, "inventory": INVENTORY | {"dataset": "crashes"}},
            "not a snapshot",
        ),
        (
            {"identification": UID, "inventory": INVENTORY | {"identity": "serial"}},
            "devices lands no column serial",
        ),
        (
            {"identification": UID, "inventory": INVENTORY | {"dataset": "in_table"}},
            "in_table does not land in the lake",
        ),
        (
            {"identification": UID, "inventory": INVENTORY | {"dataset": "some"}},
            "some is filtered by where",
        ),
    ],
)
def test_what_does_not_fit_the_catalogue_is_named(
    catalog: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"machines\.yaml") as caught:
        load_syncs(with_sync(catalog, **changes))
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_two_syncs_that_write_one_field_are_refused(catalog: Path) -> None:
    with_sync(catalog)
    with_sync(catalog, "others", fields={CENTRE.upper().replace("DEVICE", "device"): {}})
    with pytest.raises(ConfigurationError, match=r"others\.yaml: machines writes"):
        load_syncs(catalog)


def test_a_field_that_is_mapped_twice_is_refused(catalog: Path) -> None:
    file = with_sync(catalog) / "syncs" / "machines.yaml"
    text = file.read_text("utf-8")
    again = text.replace(f"  {CENTRE}: {{}}\n", f"  {CENTRE}: {{}}\n  {CENTRE}: {{longest: 8}}\n")
    assert again != text
    file.write_text(again, "utf-8")
    with pytest.raises(ConfigurationError, match=rf"s\.yaml: the key {CENTRE} is given twice"):
        load_syncs(catalog)


def test_a_sync_has_not_the_name_of_a_dataset(catalog: Path) -> None:
    with pytest.raises(ConfigurationError, match="name of a dataset too"):
        load_syncs(with_sync(catalog, "devices"))


def test_the_problems_of_all_files_are_listed_at_once(catalog: Path) -> None:
    with_sync(catalog, fields={"device/device/x": {}}, sql="SELECT 1")
    (catalog / "syncs" / "text.yaml").write_text("[1", "utf-8")
    (catalog / "datasets" / "devices.yaml").write_text("dataset: 1", "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_syncs(catalog)
    files = {problem.partition(":")[0] for problem in caught.value.problems}
    assert files == {"machines.yaml", "text.yaml", "devices.yaml"}
