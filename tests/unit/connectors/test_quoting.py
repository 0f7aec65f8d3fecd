"""Names and texts that hold quotes are read back as they were written."""

import sqlite3
from contextlib import closing

import duckdb
import pytest

from connectors.quoting import quoted_name, quoted_text

AWKWARD = ["plain", 'it\'s "quoted"', "''", '"', "back\\slash", "with space; DROP TABLE x --"]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_quoted_text_and_name_are_read_back(text: str) -> None:
    statement = f"SELECT {quoted_text(text)} AS {quoted_name(text)}"
    with closing(sqlite3.connect(":memory:")) as database:
        cursor = database.execute(statement)
        assert (cursor.fetchone(), cursor.description[0][0]) == ((text,), text)
    with duckdb.connect(":memory:") as connection:
        relation = connection.sql(statement)
        assert (relation.fetchall(), list(relation.columns)) == ([(text,)], [text])
