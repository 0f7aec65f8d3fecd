"""`nxp schema learn` against the stand-in tenant: what it learns lands, and doubts are noted."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.catalogue import DatasetSpecification, load_datasets
from tests.commands import Result, called
from tests.landing import CATALOG, Place, place

Learn = Callable[..., Result]
SHIPPED = ("devices", "users", "execution_events", "crashes")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One tenant, by the machine's clock; each test has a catalogue of its own."""
    # Enough devices for crashes on any day: on a Sunday 80 have none.
    with place(tmp_path_factory.mktemp("tenant"), now=None, devices=400) as made:
        yield made


@pytest.fixture
def here(tenant: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    shutil.copytree(CATALOG, tmp_path / "catalogue")
    own = {
        **tenant.environment,
        "NXP_HOME": str(tmp_path / "home"),
        "NXP_LAKE": str(tmp_path / "lake"),
        "NXP_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
        "NXP_CATALOG": str(tmp_path / "catalogue"),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return Place(tenant.tenant, tmp_path, own)


@pytest.fixture
def learn(capsys: pytest.CaptureFixture[str]) -> Learn:
    """Run the command, with the environment of the test."""
    return lambda *words: called("schema", "learn", *words, capsys=capsys)


def specification(path: Path) -> DatasetSpecification:
    return DatasetSpecification.model_validate(yaml.safe_load(path.read_text()))


def assert_one_line(result: Result, code: int, *words: str) -> None:
    assert result.returncode == code, result.stderr
    assert (result.stdout, len(result.stderr.strip().splitlines())) == ("", 1), result.stderr
    for word in words:
        assert word in result.stderr


def test_each_shipped_dataset_is_learned_anew_and_lands_without_a_reject(
    here: Place, learn: Learn
) -> None:
    folder = Path(here.environment["NXP_CATALOG"])
    for dataset in SHIPPED:
        path = folder / "datasets" / f"{dataset}.yaml"
        shipped = specification(path)
        path.unlink()
        done = learn(dataset, "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        learned = load_datasets(folder)[dataset]
        assert (learned.mode, learned.query_id) == (shipped.mode, shipped.query_id)
        if shipped.window and learned.window:
            ours, theirs = learned.window, shipped.window
            assert (ours.from_, ours.to, ours.reach) == (theirs.from_, theirs.to, theirs.reach)
            timed = [c.nql for c in shipped.columns if c.name == theirs.column]
            assert timed == [c.nql for c in learned.columns if c.name == ours.column]
        declared = {column.nql: column.type for column in shipped.columns}
        assert declared.keys() == {column.nql for column in learned.columns}
        # What the library says of these columns is proposed.
        meanings = {column.nql: column.description for column in learned.columns}
        assert meanings == {column.nql: column.description for column in shipped.columns}
        personal = {column.nql for column in shipped.columns if column.personal}
        assert personal <= {column.nql for column in learned.columns if column.personal}
        for column in learned.columns:
            if column.type is not declared[column.nql]:
                assert any(note.startswith(f"{column.nql}: ") for note in said["unsure"])
                assert f"# Unsure: looks like {column.type}" in path.read_text()
        (outcome,) = here.land(here.plan(dataset))
        assert outcome.rows_landed > 0
        assert outcome.rows_rejected == 0
    assert not list((here.folder / "home" / "spool").iterdir())


def test_a_file_that_exists_is_compared_and_kept(here: Place, learn: Learn) -> None:
    path = Path(here.environment["NXP_CATALOG"]) / "datasets" / "devices.yaml"
    before = path.read_text()
    same = learn("devices", "--json")
    assert same.returncode == 0, same.stderr
    assert not any(one["breaks"] for one in json.loads(same.stdout)["differences"])
    plain: dict[str, Any] = yaml.safe_load(before)
    plain["columns"][2]["type"] = "int"
    plain["columns"][3]["nql"] = "device.gone"
    path.write_text(yaml.safe_dump(plain))
    stale = learn("devices")
    assert stale.returncode == 8
    assert "is stale: 3 columns" in stale.stderr
    for word in ("device.name", "device.gone", "device.entity"):
        assert word in stale.stdout
    assert path.read_text() == yaml.safe_dump(plain)
    assert learn("devices", "--force").returncode == 0
    assert {c.nql for c in specification(path).columns} == {
        c.nql for c in specification(CATALOG / "datasets" / "devices.yaml").columns
    }


def test_stdout_gets_the_yaml_and_no_value_of_a_row(here: Place, learn: Learn) -> None:
    told = learn("devices", "--out", "-")
    assert told.returncode == 0, told.stderr
    assert DatasetSpecification.model_validate(yaml.safe_load(told.stdout)).dataset == "devices"
    frame = here.tenant.frame("#devices", {})
    values = {
        value
        for name in ("device.name", "device.location.country", "device.hardware.manufacturer")
        for value in frame[name].drop_nulls()
    }
    assert not any(f'"{value}"' in told.stdout + told.stderr for value in values)
    assert "may fit" in told.stderr


@pytest.mark.usefixtures("here")
def test_what_cannot_be_learned_is_one_line(tmp_path: Path, learn: Learn) -> None:
    assert_one_line(learn("nothing"), 3, "#nothing")
    assert_one_line(learn("crashes", "--out", str(tmp_path / "x"), "--mode", "nope"), 2, "mode")
    assert_one_line(learn("devices", "--mode", "window"), 2, "mode window: ")
    assert_one_line(learn("devices", "--out", "-", "--json"), 2, "--json")
    assert_one_line(learn("Devices", "--query-id", "devices", "--out", "-"), 2, "a-z")
    early = ("-p", "from=2001-01-01 00:00:00", "-p", "to=2001-01-02 00:00:00")
    assert_one_line(learn("crashes", *early), 6, "no rows")
    (tmp_path / "catalogue" / "datasets" / "devices.yaml").write_text("[")
    assert_one_line(learn("devices"), 2, "is not a dataset")
    assert not list((tmp_path / "home" / "spool").iterdir())


def test_a_result_that_the_tenant_cut_is_learned_from_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learn: Learn
) -> None:
    with place(tmp_path, now=None, row_limit=10) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        told = learn("devices", "--out", str(tmp_path / "devices.yaml"))
        compared = learn("devices", "--out", str(tmp_path / "devices.yaml"))
    assert told.returncode == 0, told.stderr
    assert "cut the result at its row limit" in told.stderr
    assert "fits all" in compared.stderr
    assert "cut the result at its row limit" in compared.stderr
    assert "# Unsure: the tenant cut" in (tmp_path / "devices.yaml").read_text()
