"""What an interrupted raw command has sent already, so that the same command sends the rest."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import polars as pl

from connectors.ledger import Ledger
from connectors.ledger.action_requests import ActionRequest, RequestState

# As with plans: after that, what is left of a command is given up.
GIVEN_UP_AFTER: Final = timedelta(hours=24)


def sent_before(ledger: Ledger, key: tuple[str, str], wanted: pl.Series, now: datetime) -> set[str]:
    """Return those of the wanted targets that interrupted commands had sent before they ended.

    A command of several requests counts as interrupted until what it has not sent is sent by later
    ones. It does not matter here unless some of that is wanted now: then this is the same command
    again. Call it under the action's lease, with nothing of an ended command left open.
    """
    found = ledger.actions.requests(action=key, since=now - GIVEN_UP_AFTER)
    raw = [each for each in found if each.plan_id is None]
    raw.sort(key=lambda each: str(each.created_at))
    commands = [list(group) for _, group in groupby(raw, key=lambda each: each.created_at)]
    already: set[str] = set()
    later: set[str] = set()
    named = set(wanted)
    for command in reversed(commands):
        sent = _targets(ledger, command, RequestState.REQUESTED)
        rest = _targets(ledger, command, RequestState.NOT_SENT)
        if sent and (rest - later) & named:
            already |= (sent | rest & later) & named
        later |= sent
    return already


def _targets(ledger: Ledger, command: Sequence[ActionRequest], state: RequestState) -> set[str]:
    """Return the targets of a command's requests in a state, without those the tenant left out."""
    return {
        target
        for each in command
        if each.state == state.value
        for target in ledger.actions.targets(intent_id=each.intent_id)
        .filter(pl.col("code").is_null())["target"]
        .to_list()
    }
