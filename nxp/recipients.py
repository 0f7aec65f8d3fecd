"""The recipients of a campaign: SIDs, or a table with a column `sid` and one for each parameter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.errors import UsageError
from nxp.targets import Targets, read_targets
from tasks.act.target_tables import TargetTable, read_content, table_of

SID: Final = "sid"
_FIELDS: Final = dict.fromkeys((SID, "usersid", "user.sid"), SID)


@dataclass(frozen=True, slots=True)
class RecipientGroup:
    """Users who get the same parameters: their SIDs, and their places in what was named."""

    parameters: Mapping[str, str]
    sids: Sequence[str]
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The users of a campaign in groups of equal parameters, and how many were named again."""

    groups: Sequence[RecipientGroup]
    duplicates: int = 0


def read_recipients(
    named: Iterable[str], file: str | None, parameters: Mapping[str, str], options: str
) -> Recipients:
    """Return the users that options name and a file lists; a table gives each their parameters.

    Args:
        named: SIDs by options.
        file: a path, or - for stdin: one SID a line, or CSV or JSON with `sid`.
        parameters: for all users.
        options: what the options are called, for the error message.

    Raises:
        UsageError: nobody is named, a parameter is given in two ways, or a user is named with
            different parameters. The message has positions, and nobody's data.
    """
    text = read_content(file) if file else ""
    table = table_of(file, text, _FIELDS, others=True) if file else None
    if table is None:
        lines = text.splitlines() if file else []
        found = read_targets([*named, *lines], None, options)
        if not found.names and file:
            raise UsageError(f"{options}: no target is named")
        return _of_one(found, parameters)
    if list(named):
        raise UsageError(f"{options}: name users in the table only, as it has their parameters")
    return _of_table(table, parameters)


def _of_one(found: Targets, parameters: Mapping[str, str]) -> Recipients:
    group = RecipientGroup(parameters, found.names, range(len(found.names)))
    return Recipients([group], found.duplicates)


def _of_table(table: TargetTable, parameters: Mapping[str, str]) -> Recipients:
    columns = list(dict.fromkeys(name for row in table.rows for name in row))
    names = [name for name in [*table.names, *columns] if name != SID]
    if both := [name for name in dict.fromkeys(names) if name in parameters]:
        raise UsageError(f"{table.file}: parameter {both[0]} is a column, and given by -p too")
    first: dict[str, tuple[int, dict[str, str]]] = {}
    groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
    for position, (number, row) in enumerate(zip(table.numbers, table.rows, strict=True)):
        if SID not in row:
            raise UsageError(f"{table.file}: row {number} has no sid; nothing was sent")
        own = {**parameters, **{name: row.get(name, "") for name in names}}
        before = first.setdefault(row[SID].lower(), (number, own))
        if before[1] != own:
            raise UsageError(
                f"{table.file}: rows {before[0]} and {number} name the same user with different "
                "parameters; nothing was sent"
            )
        if before[0] == number:
            groups.setdefault(tuple(sorted(own.items())), []).append((position, row[SID]))
    return Recipients(
        [
            RecipientGroup(
                dict(key), [sid for _, sid in users], [position for position, _ in users]
            )
            for key, users in groups.items()
        ],
        len(table.rows) - len(first),
    )
