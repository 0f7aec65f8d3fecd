"""Findings in the text of a query, without a tenant."""

from pathlib import Path

import pytest

from nql.linting import DiagnosticKind, lint
from tests.unit.sandbox.test_published import TAKEN

QUERIES = sorted((Path(__file__).parents[3] / "deployments/queries").glob("*.nql"))


@pytest.mark.parametrize(
    ("text", "place", "verdict", "suggestion"),
    [
        ("devices | list device.nmae", (1, 16), DiagnosticKind.MISSPELT, "device.name"),
        (
            "devices\n| where\n  hardware.tpye = laptop",
            (3, 3),
            DiagnosticKind.MISSPELT,
            "hardware.type",
        ),
        ("excution.crashes past 2d", (1, 1), DiagnosticKind.MISSPELT, "execution.crashes"),
        ("devices | with web.erors past 1d", (1, 16), DiagnosticKind.MISSPELT, "web.errors"),
        ("devices | summarize n = cuont()", (1, 25), DiagnosticKind.MISSPELT, "count"),
        ("devices | summarise n = count()", (1, 11), DiagnosticKind.NOT_UNDERSTOOD, "summarize"),
        ("devices | top 5", (1, 11), DiagnosticKind.NOT_UNDERSTOOD, ""),
        ("devices | list device.quantum_state", (1, 16), DiagnosticKind.UNKNOWN, ""),
        ("quantum.states past 2d | list anything", (1, 1), DiagnosticKind.UNKNOWN, ""),
        ("users | list name | sort sid", (1, 26), DiagnosticKind.WRONG, ""),
        (
            "users | summarize Total = count() by type | list totel",
            (1, 50),
            DiagnosticKind.WRONG,
            "total",
        ),
        ("users | compute n = count()", (1, 17), DiagnosticKind.WRONG, ""),
        ("web.errors | with web.events | list url", (1, 19), DiagnosticKind.WRONG, ""),
        ("users | summarize n = count(), N = count()", (1, 32), DiagnosticKind.WRONG, ""),
        ("web.errors | summarize n = countif(code = $c)", (1, 43), DiagnosticKind.WRONG, ""),
    ],
)
def test_a_finding_has_its_place_and_what_may_be_meant(
    text: str, place: tuple[int, int], verdict: DiagnosticKind, suggestion: str
) -> None:
    (found,) = lint(text)
    assert ((found.line, found.column), found.verdict, found.suggestion) == (
        place,
        verdict,
        suggestion,
    )


@pytest.mark.parametrize("text", [*TAKEN, *(path.read_text() for path in QUERIES)])
def test_queries_that_run_have_no_findings(text: str) -> None:
    assert lint(text) == []


def test_all_findings_are_listed_at_once() -> None:
    found = lint("devices | list nmae, entity, hardware.modle | list foo_bar")
    assert [each.column for each in found] == [16, 30, 52]
