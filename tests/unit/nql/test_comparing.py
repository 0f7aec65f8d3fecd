"""Two texts of a query: what counts as a difference, and what does not."""

import random
import re
from pathlib import Path

import pytest

from nql.comparing import Difference, clauses, differences
from nql.errors import NqlSyntaxError
from tests.unit.sandbox.test_published import TAKEN

FOLDER = Path(__file__).parents[3] / "deployments/queries"
QUERIES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.nql"))}

BASE = """/* Crashes */ execution.crashes during past 720h
| where crash.time >= $from and crash.time <= $to and binary.name in ["a.exe", "b.exe"]
| list crash.time, device.uid, binary.name | sort crash.time desc | limit 10"""


@pytest.mark.parametrize("text", [*TAKEN, *QUERIES.values()])
def test_a_query_is_the_same_as_itself_in_another_dress(text: str) -> None:
    words = r"\b(where|list|sort|limit|with|include|compute|summarize|during|past|by|and|or)\b"
    bare = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    dressed = re.sub(r"\s*\|\s*", "\n\n|   ", re.sub(words, lambda m: m[0].upper(), bare))
    assert differences(text, f"/* new */ {dressed} /* end */") == []


def test_what_a_tenant_substitutes_for_a_parameter_is_no_difference() -> None:
    executed = BASE.replace("$from", "2026-11-19 00:00:00").replace("$to", "2026-11-20 00:00:00")
    assert differences(BASE, executed) == []
    assert differences("users | where sid == $s", 'users | where sid = "S-1-5"') == []
    assert differences("users | where sid == $s", "users | where sid = name.x") != []


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("during past", "PAST").replace("720h", "43200min"),
        BASE.replace('["a.exe", "b.exe"]', "['B.EXE', 'a.exe']"),
        BASE.replace(" and binary", " | where binary").replace("crash.time", "time"),
        BASE.replace("| limit 10", "")
        .replace("| list", "| limit 10 | list")
        .replace(
            "| limit 10 | list crash.time, device.uid, binary.name | sort crash.time desc",
            "| sort crash.time desc | limit 10 | list crash.time, device.uid, binary.name",
        ),
        BASE.replace("in [", "in[").replace("binary.name in", "binary.name IN"),
        BASE.replace(
            "crash.time >= $from and crash.time <= $to", "(time <= $to and time >= $from)"
        ),
    ],
)
def test_order_and_spelling_do_not_count(other: str) -> None:
    assert other != BASE
    assert differences(BASE, other) == []


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("execution.crashes", "execution.events", "table"),
        ("720h", "30d", "time frame"),
        (" during past 720h", "", "time frame"),
        (">= $from", "!= $from", "where"),
        ("$to", "$from", "where"),
        ('"b.exe"', '"c.exe"', "where"),
        (', "b.exe"', "", "where"),
        ("$to and", "$to or", "where"),
        ("in [", "!in [", "where"),
        (", device.uid", "", "list"),
        ("device.uid", "device.name", "list"),
        ("desc", "asc", "sort"),
        ("| limit 10", "", "limit"),
        ("limit 10", "limit 100", "limit"),
        ("| sort crash.time desc | limit 10", "| limit 10 | sort crash.time desc", "sort"),
    ],
)
def test_a_change_of_meaning_is_found_with_its_clause(old: str, new: str, clause: str) -> None:
    found = differences(BASE, BASE.replace(old, new, 1))
    assert clause in {each.clause for each in found}
    assert differences(BASE.replace(old, new, 1), BASE) != []


def test_short_names_are_the_full_ones_of_the_table_that_a_clause_reads() -> None:
    rows = "devices | with antiviruses | where {} = 'x' | list {}"
    same = "device.devices | with device.antiviruses | where device.antivirus.name = 'X' | list {}"
    assert differences(rows.format("name", "name"), same.format("device.name")) == []
    assert differences(rows.format("device.name", "name"), same.format("device.name")) != []


def test_a_difference_has_the_words_of_both_sides() -> None:
    found = differences("users | list name, sid", "users | where type = DOMAIN_USER | list name")
    assert found == [
        Difference("where", "", "where type = DOMAIN_USER"),
        Difference("list", "list name, sid", "list name"),
    ]
    assert clauses('users /* | */ | where name = "a|b\\"|" | limit 1')[1:] == [
        'where name = "a|b\\"|"',
        "limit 1",
    ]


def test_what_is_not_understood_is_an_error() -> None:
    with pytest.raises(NqlSyntaxError):
        differences("users", "users | top 5")


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_of_the_catalogue_are_found(seed: int) -> None:
    rng = random.Random(seed)
    name = rng.choice(list(QUERIES))
    text = re.sub(r"/\*.*?\*/", "", QUERIES[name], flags=re.DOTALL)
    items = list(re.finditer(r"(?<=, )[a-z_.#0-9]+(?=,|\n)|[0-9]+(?=[hd]\b)", text))
    changed = text
    for item in rng.sample(items, min(2, len(items))):
        piece = item[0]
        other = str(int(piece) + 1) if piece.isdigit() else f"{piece}_x"
        changed = text[: item.start()] + other + text[item.end() :]
    assert (differences(text, changed) == []) == (changed == text), (name, changed)
    # Any order of conditions, and of sorting and listing, is the same query.
    pieces = clauses(text)
    shuffled = " | ".join([pieces[0], *sorted(pieces[1:], key=lambda c: c.startswith("list"))])
    assert differences(text, shuffled) == []
