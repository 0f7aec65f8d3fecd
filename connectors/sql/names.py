"""The names of a dataset's columns in its table, where the database does not take the landed ones.

A name that is too long lands under a short one that is always the same; the long one is the
column's comment. A column that the database itself once cut, in a table made by an older version,
stays in use.
"""

from collections.abc import Collection, Mapping

from connectors.databases.names import NameLimits, folded
from connectors.errors import ConfigurationError
from connectors.sql.database import ExistingColumn


def stored_names(
    columns: Collection[str], existing: Mapping[str, ExistingColumn], limits: NameLimits, shown: str
) -> dict[str, str]:
    """Return the name in the table of each landed column.

    Args:
        columns: the landed names.
        existing: the columns of the table, if there is one.
        limits: of the database.
        shown: dataset and table, for messages.

    Raises:
        ConfigurationError: a cut column may belong to more than one of the landed ones.
    """
    if limits.folds_case:
        there = {folded(name): name for name in existing}
        return {name: there.get(folded(limits.short(name)), limits.short(name)) for name in columns}
    stored = {name: limits.short(name) for name in columns}
    cut: dict[str, list[str]] = {}
    for name, short in stored.items():
        # A landed name of exactly the longest length has not been cut.
        if limits.fits(name) or short in existing or limits.cut(name) in stored:
            continue
        if _may_hold(existing, limits.cut(name), name, limits):
            cut.setdefault(limits.cut(name), []).append(name)
    for column, names in cut.items():
        if len(names) > 1:
            raise ConfigurationError(
                f"{shown}: the column {column}, whose name the database has cut, may hold any of "
                f"{', '.join(names)}: say which, COMMENT ON COLUMN … IS '{names[0]}', and run again"
            )
        stored[names[0]] = column
    return stored


def _may_hold(
    existing: Mapping[str, ExistingColumn], column: str, name: str, limits: NameLimits
) -> bool:
    """Return whether a table has this cut column, and no comment says that it holds another one."""
    if column == name or column not in existing:
        return False
    comment = existing[column].comment or ""
    return comment in {"", column, name} or limits.cut(comment) != column
