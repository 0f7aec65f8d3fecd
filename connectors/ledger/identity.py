"""The ledger's own id, kept with it wherever it is moved, and other ledgers that no longer act."""

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Final

from sqlalchemy import Connection, Engine, delete, select

from connectors.errors import UsageError
from connectors.ledger.tables import ledgers

ID_BYTES: Final = 6
_DIGITS: Final = frozenset("0123456789abcdef")


class Identity:
    """Who this ledger is to the tenant; one id for all tenants of the ledger."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    @cached_property
    def own(self) -> str:
        """The ledger's id: 12 hexadecimal digits, drawn when it was created."""
        query = select(ledgers.c.ledger_id).where(ledgers.c.retired_at.is_(None))
        with self._engine.connect() as connection:
            return str(connection.scalar(query.order_by(ledgers.c.ledger_id).limit(1)))

    def retired(self) -> list[str]:
        """Return the ids of other ledgers that a person has declared to be out of use."""
        query = select(ledgers.c.ledger_id).where(ledgers.c.retired_at.is_not(None))
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def retire(self, ledger_id: str, why: str) -> None:
        """Record that another ledger is out of use: its requests stop nobody from then on.

        Raises:
            UsageError: it is not the id of a ledger, or it is this one's.
        """
        given = ledger_id.strip().lower()
        if len(given) != 2 * ID_BYTES or not set(given) <= _DIGITS:
            raise UsageError(f"a ledger's id has {2 * ID_BYTES} hexadecimal digits")
        if given == self.own:
            raise UsageError(f"{given} is the id of this ledger, which is in use")
        row = {"ledger_id": given, "retired_at": self._clock(), "why": why}
        with self._engine.begin() as connection:
            connection.execute(delete(ledgers).where(ledgers.c.ledger_id == given))
            connection.execute(ledgers.insert().values(row))


def draw_identity(connection: Connection) -> None:
    """Give a ledger that is being created its id."""
    if connection.scalar(select(ledgers.c.ledger_id).limit(1)) is None:
        connection.execute(ledgers.insert().values(ledger_id=secrets.token_hex(ID_BYTES)))
