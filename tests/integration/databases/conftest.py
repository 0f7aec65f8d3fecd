"""Databases whose encoding and settings are as unlike ours as PostgreSQL allows."""

import itertools
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.databases import Server

# What a role may carry, each changing what values look like, or how statements are read.
HOSTILE = {
    "client_encoding": "LATIN1",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "America/New_York",
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "1ms",
    "synchronous_commit": "off",
}
OpenDatabase: TypeAlias = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture
def hostile(postgres: Server) -> OpenDatabase:
    """Create a database of an encoding, its owner a role with these settings; return its URL."""

    def create(encoding: str = "UTF8", **changes: str) -> str:
        name = f"hostile_{next(_numbers)}"
        settings = HOSTILE | changes
        postgres.run(
            f"CREATE ROLE {name} LOGIN",
            f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING '{encoding}' "
            "LC_COLLATE 'C' LC_CTYPE 'C'",
            *(f"ALTER ROLE {name} SET {key} = '{value}'" for key, value in settings.items()),
        )
        return postgres.url.replace("postgres:@", f"{name}@").replace("/postgres?", f"/{name}?")

    return create
