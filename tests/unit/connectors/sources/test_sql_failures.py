"""Refusals of databases, explained in our words."""

import psycopg
import pytest
from psycopg.errors import lookup
from sqlalchemy.exc import OperationalError

from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    UnavailableError,
)
from connectors.sources.sql_failures import explain

QUERY = "SELECT 'Marked Person'"


def told(fault: Exception) -> PipelineError:
    error = explain(OperationalError(QUERY, None, fault), "hr", "NXP_SOURCE_HR_URL")
    assert str(error).startswith("source hr: ")
    assert "Marked" not in str(error)
    return error


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("28P01", AccessError),
        ("42501", AccessError),
        ("3D000", ConfigurationError),
        ("42804", ConfigurationError),
        ("22P02", DataRefusedError),
        ("40001", UnavailableError),
        ("53300", UnavailableError),
        ("57014", UnavailableError),
        ("57P01", UnavailableError),
    ],
)
def test_by_state(state: str, kind: type[PipelineError]) -> None:
    assert type(told(lookup(state)("Marked Person"))) is kind


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('FATAL:  password authentication failed for user "x"', AccessError),
        ('FATAL:  role "x" does not exist', AccessError),
        ("FATAL:  no pg_hba.conf entry for host", AccessError),
        ('FATAL:  database "x" does not exist', ConfigurationError),
        ("FATAL:  the database system is starting up", UnavailableError),
        ("FATAL:  sorry, too many clients already", UnavailableError),
        ("connection refused", UnavailableError),
        ("database is locked", UnavailableError),
        ("database disk image is malformed", DataRefusedError),
        ("Could not decode to UTF-8 column 'name' with text 'Marked'", DataRefusedError),
    ],
)
def test_by_words_where_there_is_no_state(words: str, kind: type[PipelineError]) -> None:
    assert type(told(psycopg.OperationalError(words))) is kind
