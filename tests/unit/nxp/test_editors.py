"""JSON Schemas of YAML files: current, true of every shipped file, and false of mistakes."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connectors.catalogue.yaml_text import read_yaml
from connectors.project import FILE, read_toml
from nxp.editors.files import (
    FOLDER,
    KINDS,
    PROJECT,
    modeline,
    read_schema,
    schema_path,
    write_schemas,
)
from nxp.editors.schemas import text_of
from nxp.library import LIBRARY
from nxp.project.making import project_files
from tests.commands import called

DEPLOYMENTS = Path(__file__).resolve().parents[3] / "deployments"
TEMPLATES = LIBRARY.parent / "project" / "templates"
FOLDERS = {"dataset": "datasets", "sync": "syncs", "action": "actions"}
DATASET: dict[str, Any] = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "window",
    "window": {"column": "at", "from": "from", "to": "to", "start": "2026-10-01", "step": "1d"},
    "columns": [{"nql": "thing.time", "name": "at", "type": "datetime", "personal": True}],
    "derive": {"n": "1", "m": {"is": "n + 1", "unit": "s"}},
    "checks": [{"check": "rows", "min": 1}],
    "landings": ["parquet", "delta", {"sql": {"schema": "x", "snapshot": "upsert"}}, {"sql": None}],
}


def shipped(kind: str) -> Iterator[Path]:
    """Yield all files of a kind in the library and in the clone's catalogue."""
    for catalogue in (LIBRARY, DEPLOYMENTS):
        if kind in FOLDERS:
            yield from sorted((catalogue / FOLDERS[kind]).glob("*.yaml"))
    if kind == PROJECT:
        yield DEPLOYMENTS.parent / FILE
    elif kind not in FOLDERS:
        yield from (DEPLOYMENTS / f"{kind}.yaml", TEMPLATES / f"{kind}.yaml")


def read(path: Path) -> Any:
    """Return what a file says, as an editor sees it."""
    return read_toml(path) if path.suffix == ".toml" else as_editors_see_it(read_yaml(path))


def as_editors_see_it(value: Any) -> Any:
    """Return a value without dates: to editors they are text."""
    match value:
        case dict():
            return {str(key): as_editors_see_it(each) for key, each in value.items()}
        case list():
            return [as_editors_see_it(each) for each in value]
        case date():
            return value.isoformat()
    return value


def validator(kind: str) -> Any:
    schema = json.loads(read_schema(kind))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schemas_are_current_and_every_shipped_file_meets_its_own(kind: str) -> None:
    assert read_schema(kind) == text_of(kind), "run: python -m nxp.editors"
    assert schema_path(kind, DEPLOYMENTS).read_text("utf-8") == read_schema(kind)
    valid, files = validator(kind), list(shipped(kind))
    assert files
    for path in files:
        errors = [error.message for error in valid.iter_errors(read(path))]
        assert errors == [], path
        head = path.read_text("utf-8").partition("\n")[0]
        if path.parent != TEMPLATES:
            named = path.parent / re.split("[= ]", head)[-1]
            assert named.read_text("utf-8") == read_schema(kind), path


@pytest.mark.parametrize(
    "mistake",
    [
        {"mode": "weekly"},
        {"mode": "snapshot"},
        {"window": None, "mode": "slices"},
        {"colums": []},
        {"columns": []},
        {"columns": [{"name": "at"}]},
        {"columns": [{"nql": "thing.time", "type": "timestamp"}]},
        {"columns": [{"nql": "thing.time", "references": "devices"}]},
        {"columns": [{"nql": "thing.time", "personal": "very"}]},
        {"window": {"column": "at", "step": "1 week"}},
        {"window": {"column": "at", "begin": "2026-10-01"}},
        {"query_id": "things"},
        {"dataset": "Things"},
        {"derive": {"n": 1}},
        {"derive": {"n": {"unit": "s"}}},
        {"checks": [{"check": "row", "min": 1}]},
        {"landings": ["csv"]},
        {"landings": [{"sql": {"snapshot": "add"}}]},
        {"landings": []},
        {"tags": "inventory"},
        {"max_reject_share": 2},
    ],
)
def test_a_mistake_in_a_dataset_does_not_meet_the_schema(mistake: dict[str, Any]) -> None:
    valid = validator("dataset")
    assert valid.is_valid(DATASET)
    assert not valid.is_valid({**DATASET, **mistake})


def test_mistakes_in_other_files_do_not_meet_their_schemas() -> None:
    def first(kind: str) -> dict[str, Any]:
        made = read(next(shipped(kind)))
        assert isinstance(made, dict)
        return made

    for kind, mistake in (
        ("sync", {"mode": "copy"}),
        ("sync", {"sources": {"people": {"kind": "ldap"}}}),
        ("sync", {"guards": {"shrinks": 0.1}}),
        ("action", {"kind": "script"}),
        ("action", {"limits": {"cool_down": "soon"}}),
        ("action", {"dry-run": True}),
        ("prefect", {"deployments": [{"name": "x"}]}),
        ("nxp", {"lkae": "x"}),
        ("nxp", {"client_secret": "x"}),
        ("nxp", {"memory_mb": "much"}),
        ("nxp", {"profiles": {"lab": {"lake": "x"}}}),
        ("automations", {"automations": [{"name": "mine", "description": "", "trigger": {}}]}),
    ):
        assert not validator(kind).is_valid(first(kind) | mistake), (kind, mistake)


def test_hints_of_editors_say_what_a_key_means() -> None:
    schema = json.loads(read_schema("dataset"))
    for where in (schema, schema["$defs"]["Column"], schema["$defs"]["WindowSpecification"]):
        assert [
            name for name, each in where["properties"].items() if "description" not in each
        ] == []


def test_a_project_gets_the_schemas_that_the_head_of_a_file_names(tmp_path: Path) -> None:
    assert len(write_schemas(tmp_path)) == len(KINDS)
    assert write_schemas(tmp_path) == []
    (tmp_path / FOLDER / "sync.json").write_text("{}")
    assert write_schemas(tmp_path) == [tmp_path / FOLDER / "sync.json"]
    line = modeline("dataset")
    named = (tmp_path / "datasets" / line.partition("=")[2]).resolve()
    assert named.read_text("utf-8") == read_schema("dataset")


def test_a_new_project_meets_the_schemas_that_its_files_name() -> None:
    made = project_files("x", "x", "x", {"instance": "acme", "region": "eu", "memory_mb": 64})
    for file, kind in ((FILE, PROJECT), ("prefect.yaml", "prefect")):
        assert made[file].startswith(f"{modeline(kind, depth=0)}\n")
        assert made[f"{FOLDER}/{kind}.json"] == read_schema(kind)
    assert validator(PROJECT).is_valid(tomllib.loads(made[FILE]))


def test_the_command_prints_and_writes_schemas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("schema", "print", "dataset", capsys=capsys).stdout == read_schema("dataset")
    out = tmp_path / "dataset.json"
    assert called("schema", "print", "dataset", "--out", str(out), capsys=capsys).returncode == 0
    assert out.read_text("utf-8") == read_schema("dataset")
    assert called("schema", "print", "--out", str(tmp_path / "x"), capsys=capsys).returncode == 0
    assert {path.stem for path in (tmp_path / "x").iterdir()} == KINDS.keys()
    assert "automations" in called("schema", "print", capsys=capsys).stdout
    wrong = called("schema", "print", "datasets", capsys=capsys)
    assert (wrong.returncode, "there is dataset, sync" in wrong.stderr) == (2, True)
