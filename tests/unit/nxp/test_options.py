"""Parameters and waiting times as people write them."""

from datetime import timedelta

import pytest

from connectors.errors import UsageError
from nxp.options import parse_parameters, read_wait


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("n=3", "3"),
        ("n:=3", "3"),
        ("n:= 1.10 ", "1.10"),
        ("n:=1e400", "1e400"),
        ("n:=true", "true"),
        ("n:=null", "null"),
        ('n:="a:=b"', "a:=b"),
        ('n:=["a", {"ä": 1}]', '["a",{"ä":1}]'),
        ("$n=a=b:=c", "a=b:=c"),
        ("n=", ""),
    ],
)
def test_a_parameter_is_sent_as_text_whatever_its_type(given: str, sent: str) -> None:
    assert parse_parameters((given,)) == {"n": sent}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("n:=x",), "not followed by JSON"),
        (("n:=",), "not followed by JSON"),
        (("n:=NaN",), "not followed by JSON"),
        (("n:=[1",), "not followed by JSON"),
        (("n:=" + "[" * 100_000,), "not followed by JSON"),
        ((":=3",), "key:=JSON"),
        (("n",), "key=value"),
        (("n=1", "n:=2"), "given twice"),
    ],
)
def test_a_wrong_parameter_is_refused(given: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_parameters(given)


def test_a_waiting_time_is_a_duration_of_at_most_a_day() -> None:
    assert read_wait(None) is None
    assert read_wait("0s") == timedelta(0)
    assert read_wait("10m") == timedelta(minutes=10)
    for wrong in ("10", "soon", "2d"):
        with pytest.raises(UsageError, match="--wait"):
            read_wait(wrong)
