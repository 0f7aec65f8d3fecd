"""Text to syntax tree."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nql import syntax
from nql.errors import NqlError, NqlSyntaxError
from nql.kinds import Kind
from nql.parser import MAX_LENGTH, parse
from sandbox.engine import Engine
from tests.sampling import sampled
from tests.unit.sandbox.conftest import ask, make_engine


def condition(text: str) -> syntax.Condition:
    clause = parse(f"devices | where {text}").clauses[0]
    assert isinstance(clause, syntax.Where)
    return clause.condition


def compared(text: str) -> syntax.Comparison:
    found = condition(text)
    assert isinstance(found, syntax.Comparison)
    return found


def test_a_table_alone_is_a_query() -> None:
    query = parse("devices")
    assert (query.table.path, query.selection, query.clauses) == ("devices", None, ())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("during past 45min", syntax.During),
        ("DURING PAST 3d", syntax.During),
        ("from 2023-02-01 00:00:00 to 2023-02-28", syntax.Between),
        ("from Jun 1, 2023 to Jun 15, 2023, 12:30", syntax.Between),
        ("from 21d ago to 15m ago", syntax.Between),
        ("on 2023-06-15", syntax.OnDay),
        ("on Jul 15, 2023", syntax.OnDay),
    ],
)
def test_every_documented_form_of_time_frame_is_read(text: str, kind: type) -> None:
    assert isinstance(parse(f"execution.events {text} | limit 1").selection, kind)


def test_and_binds_tighter_than_or_and_parentheses_win() -> None:
    loose = condition("a = 1 or b = 2 and c = 3")
    assert isinstance(loose, syntax.AnyOf)
    assert isinstance(loose.parts[1], syntax.AllOf)
    assert isinstance(condition("(a = 1 or b = 2) and c = 3"), syntax.AllOf)


def test_two_equal_signs_mean_what_one_means() -> None:
    assert compared("name == 'x'") == compared('name = "x"')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('"x"', Kind.STRING),
        ("12", Kind.INT),
        ("-1.5", Kind.FLOAT),
        ("3MB", Kind.BYTES),
        ("5ms", Kind.DURATION),
        ("v12.212", Kind.VERSION),
        ("2024-07-15 10:15:00", Kind.DATETIME),
        ("red", None),
        ("null", None),
    ],
)
def test_each_kind_of_literal_is_told_apart(text: str, kind: Kind | None) -> None:
    literal = compared(f"f = {text}").values[0]
    assert isinstance(literal, syntax.Literal)
    assert literal.kind is kind


def test_names_may_carry_a_hyphen_where_the_vendor_put_one() -> None:
    listing = parse("binaries | list binary.sha-256_hash_hex, name").clauses[0]
    assert isinstance(listing, syntax.Listing)
    assert [n.path for n in listing.names if isinstance(n, syntax.Name)] == [
        "binary.sha-256_hash_hex",
        "name",
    ]


@pytest.mark.parametrize("name", ["informed", "limit_x", "order", "contains_x", "ascending"])
def test_names_may_begin_like_keywords(name: str) -> None:
    found = compared(f"{name} in [1]").name
    assert isinstance(found, syntax.Name)
    assert found.path == name


@pytest.mark.parametrize(
    "text",
    [
        "devices | wherename = 3",
        "devices | includes execution.crashes",
        "devices during pasts 3d",
        "devices | summarize n = count() byname",
        "devices | where a = 1 andb = 2",
    ],
)
def test_keywords_are_whole_words(text: str) -> None:
    with pytest.raises(NqlSyntaxError):
        parse(text)


def test_comments_are_passed_over_wherever_they_stand() -> None:
    assert parse("/* a | b */ devices /* c\nd */ | limit /**/ 3") == parse("devices | limit 3")


def test_quotes_may_be_escaped_and_other_backslashes_stay() -> None:
    literal = compared(r'name = "NT AUTHORITY\SYSTEM \"x\""').values[0]
    assert isinstance(literal, syntax.Literal)
    assert literal.text == r'NT AUTHORITY\SYSTEM "x"'


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("devices | whre name = 1", 1, 11, "'whre' is not understood here"),
        ("devices\n| where", 2, 8, "the query ends too early"),
        ("devices | list a b", 1, 18, "expected '(', ',', '|', the end of the query"),
        ("devices | limit 1.5", 1, 17, "a whole number from 1"),
        ("devices | limit 99999999999999999999", 1, 17, "a whole number from 1"),
        ("devices during past 3s", 1, 21, "minutes, hours or days"),
        ("", 1, 1, "the query ends too early"),
    ],
)
def test_a_mistake_is_reported_where_it_stands(
    text: str, line: int, column: int, says: str
) -> None:
    with pytest.raises(NqlSyntaxError) as failed:
        parse(text)
    assert (failed.value.line, failed.value.column) == (line, column)
    assert says in failed.value.message


def test_a_query_longer_than_the_vendor_allows_is_refused() -> None:
    with pytest.raises(NqlSyntaxError, match="at most"):
        parse("devices" + " " * MAX_LENGTH)


WORDS = """devices execution.events execution.crashes users | where list sort limit summarize by and
or ( ) [ ] , = == != < > <= >= in !in contains name last_seen hardware.memory start_time time null
"x*" '?' 3 -1.5 99999999999999999999 3MB 5s 3d 99999999d 0h 2024-07-15 2024-02-31 0001-01-01
9999-12-31 v1.2 $p laptop true during past from to on ago asc desc count() cpu_time.sum() a"""
SENTENCES = st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join)


@given(st.text(max_size=30) | SENTENCES)
@settings(max_examples=sampled(300), deadline=None)
def test_whatever_the_text_the_answer_is_rows_or_an_nql_error(engine: Engine, text: str) -> None:
    with suppress(NqlError):
        ask(engine, text, p="2026-11-20 00:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "devices during past 99999999999d",
        "execution.events from 9999999999h ago to 1h ago",
        "execution.events from 0001-01-01 to 9999-12-31",
        "devices | where days_since_last_seen = 99999999999999999999",
        "devices | where last_seen >= 0001-01-01",
        "devices during past 0d",
    ],
)
def test_values_beyond_all_bounds_are_answered_too(text: str) -> None:
    engine = make_engine(devices=5, time_zone="Asia/Tokyo")
    with suppress(NqlError):
        ask(engine, text)


@pytest.mark.parametrize(
    "text",
    [
        f"users | where {'(' * 4000}a = 1{')' * 4000}",
        f"users | where {'(a = 1 or (b = 2 and ' * 400}c = 3{'))' * 400}",
        f"users | summarize x = {'1 + ' * 3000}1",
    ],
)
def test_what_is_nested_without_end_is_refused_in_words(text: str) -> None:
    with pytest.raises(NqlSyntaxError, match="too deeply"):
        parse(text)


def test_what_a_person_nests_is_read(engine: Engine) -> None:
    ask(engine, f"users | where {'(' * 30}type != null{')' * 30} | summarize n = {'1 + ' * 60}1")
