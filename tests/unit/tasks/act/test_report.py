"""What a report may say of failures."""

import pytest

from tasks.act.counted import plain_reason


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ("Access denied", "Access denied"),
        (r"Cannot open C:\Users\anna.berg\file.txt", "Cannot open …"),
        ("No rights for anna.berg@example.com here", "No rights for … here"),
        ("user 'Anna Berg' is busy", "user … is busy"),
        ("exit code 1603", "exit code …"),
        ("S-1-5-21-1004336348 not found", "… not found"),
        ("Anna Berg is busy", "… is busy"),
        ("No rights for Berg, Änne here", "No rights for … here"),
        ("anna.berg has no rights.", "… has no rights."),
        ("The script ended. Try again.", "The script ended. Try again."),
        ("", "no reason given"),
        ("word " * 50, ("word " * 16)[:80]),
    ],
)
def test_reasons_are_told_without_what_may_be_somebodys(details: str, told: str) -> None:
    assert plain_reason(details) == told
