"""Reading YAML: the same values and refusals as PyYAML's own loader, but quicker."""

from pathlib import Path

import pytest
import yaml

from connectors.catalogue.yaml_text import parse_yaml
from tests.landing import CATALOG


@pytest.mark.parametrize("path", sorted(CATALOG.glob("[ads]*/*.yaml")), ids=lambda path: path.name)
def test_shipped_files_have_the_values_that_pyyaml_reads(path: Path) -> None:
    text = path.read_text("utf-8")
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a: 1\n",
        "\ufeffa: b",
        "a: 2026-11-20",
        "a: [yes, ~, 0x1f, 1_000, 1.5e3, '1']",
        "a: &x {b: 1}\nc: *x",
        "a: {<<: {b: 1}, c: 2}",
        "a: |\n  one\n  two\n",
        "é: ü",
        "a: {b:c}",
    ],
)
def test_values_are_those_that_pyyaml_reads(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: [1,",
        "a: b: c",
        "\ta: 1",
        "a: 'x",
        "a: *b",
        "? [a]\n: 1",
        "a: 1\n---\nb: 2",
        "a: \x07",
        "a: !!python/object:os.system x",
        "a: 1\na: 2",
        "{a: 1, a: 1}",
        "b: {a: 1, a: 2}",
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000])
def test_deep_nesting_is_an_error_and_does_not_end_the_process(text: str) -> None:
    with pytest.raises((RecursionError, yaml.YAMLError)):
        parse_yaml(text)
