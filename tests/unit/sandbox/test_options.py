"""The options of a sandbox tenant."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sandbox.actions.options import ActingOptions
from sandbox.options import SandboxOptions, parse_reach
from sandbox.tenant import Tenant


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sandbox.options", ("polars", "numpy", "starlette", "lark")),
        ("nxp.commands.sandbox", ("polars", "numpy", "starlette", "lark", "pydantic", "pyarrow")),
        ("sandbox.server", ("websockets",)),
    ],
)
def test_importing_a_module_does_not_load_what_it_can_do_without(
    module: str, absent: tuple[str, ...]
) -> None:
    code = f"import sys, {module}; print([n for n in {absent} if n in sys.modules])"
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, cwd=root, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


def test_everything_wrong_with_the_options_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"loopback.*IANA.*devices.*late_share") as refused:
        SandboxOptions(
            queries=Path(),
            host="192.0.2.1",
            time_zone="Mars/Base",
            devices=0,
            late_share=2,
        )
    assert "now" not in str(refused.value)


def test_a_moment_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="now has no offset"):
        SandboxOptions(queries=Path(), now=datetime(2026, 1, 1))  # noqa: DTZ001


def test_credentials_are_the_same_for_the_same_seed_and_differ_between_seeds() -> None:
    one, again, two = (SandboxOptions(queries=Path(), seed=s).resolved() for s in (1, 1, 2))
    assert (one.client_id, one.client_secret) == (again.client_id, again.client_secret)
    assert one.client_secret != two.client_secret
    assert one.client_secret not in repr(one)


@pytest.mark.parametrize(
    ("text", "reach"),
    [("192h", timedelta(hours=192)), ("8d", timedelta(days=8)), ("90min", timedelta(minutes=90))],
)
def test_a_reach_is_read_as_a_span(text: str, reach: timedelta) -> None:
    assert parse_reach(text) == reach


def test_a_reach_can_be_off_and_nonsense_is_refused() -> None:
    assert parse_reach("off") is None
    with pytest.raises(ValueError, match="not a span"):
        parse_reach("a week")


def test_a_date_time_format_that_cannot_be_written_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="datetime_format '%Q'"):
        Tenant(SandboxOptions(queries=Path(), devices=1, datetime_format="%Q"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"boolean_form": "yes/no"}, "boolean_form"),
        ({"null_form": "a,b"}, "null_form"),
        ({"empty_result": "nothing"}, "empty_result 'nothing' is not one of documented, no-rows"),
        ({"custom_fields": (("printer", "x"),)}, "printer.x"),
        ({"custom_fields": (("device", "Cost Center"),)}, "Cost Center"),
        ({"fine_retention": 0}, "fine_retention"),
    ],
)
def test_forms_and_custom_fields_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SandboxOptions(queries=Path(), **options)  # type: ignore[arg-type]


def test_custom_fields_have_a_hash_however_they_were_declared() -> None:
    fields = (("device", "a"), ("device", "#b"), ("user", "organization.#team"))
    options = SandboxOptions(queries=Path(), custom_fields=fields)
    assert options.custom_fields_of("device") == {"#a", "#b"}
    assert options.custom_fields_of("user") == {"organization.#team"}
    assert options.custom_fields_of("binary") == frozenset()


def test_shares_of_executions_and_answers_are_checked() -> None:
    acting = ActingOptions(offline_share=1.5, execution_time=-1)
    with pytest.raises(ValueError, match=r"offline_share.*execution_time"):
        SandboxOptions(queries=Path(), acting=acting)
    with pytest.raises(ValueError, match="add up to more than 1"):
        SandboxOptions(queries=Path(), acting=ActingOptions(answer_share=0.8, decline_share=0.3))
