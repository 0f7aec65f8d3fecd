"""How long names may be in a database, which ones it keeps for itself, and names that fit.

PostgreSQL cuts a longer name without a word: two columns may become one, and a column may not be
found again under the name that it was given.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

# Hexadecimal digits of the hash at the end of a short name.
DIGITS: Final = 8
ALIKE: Final = "which SQL takes for the same name"
_CAPITALS: Final = re.compile("[A-Z]+")


@dataclass(frozen=True, slots=True)
class NameLimits:
    """What a kind of database allows: bytes in a name, names of columns, columns in a table.

    Attributes:
        longest: bytes in a name; None: any number.
        reserved: names that every table's own columns have.
        columns: columns in a table.
        folds_case: whether names that differ in case only are the same name.
    """

    longest: int | None
    reserved: frozenset[str]
    columns: int
    folds_case: bool

    def fits(self, name: str) -> bool:
        """Return whether a column can have this name."""
        is_short = self.longest is None or len(name.encode()) <= self.longest
        return is_short and name not in self.reserved

    def short(self, name: str) -> str:
        """Return the name of a column: as it is if it fits, otherwise cut, with a hash at its end.

        The same name always has the same short name, and different ones have different ones.
        """
        if self.fits(name):
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
        room = (self.longest or len(name.encode()) + DIGITS + 1) - DIGITS - 1
        return f"{name.encode()[:room].decode(errors='ignore').rstrip('_')}_{digest}"

    def cut(self, name: str) -> str:
        """Return what the database itself makes of a name that is too long."""
        return name.encode()[: self.longest].decode(errors="ignore")


POSTGRESQL: Final = NameLimits(
    63, frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}), 1_600, folds_case=False
)
SQLITE: Final = NameLimits(None, frozenset(), 2_000, folds_case=True)
# InnoDB's; what its names are cut to is an error.
MYSQL: Final = NameLimits(64, frozenset(), 1_017, folds_case=True)
DUCKDB: Final = NameLimits(None, frozenset({"rowid"}), 10_000, folds_case=True)
# Nearly every other database takes that much.
UNKNOWN: Final = NameLimits(128, frozenset(), 1_000, folds_case=True)
LIMITS: Final = {
    "postgresql": POSTGRESQL,
    "sqlite": SQLITE,
    "mysql": MYSQL,
    "mariadb": MYSQL,
    "duckdb": DUCKDB,
}


def folded(name: str) -> str:
    """Return a name as engines compare it that ignore case: only A to Z have another form."""
    return _CAPITALS.sub(lambda found: found[0].lower(), name)


def twins(names: Collection[str]) -> list[str]:
    """Return the names that differ from another one in case only, as `UPN and upn`."""
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(folded(name), []).append(name)
    return [" and ".join(each) for each in alike.values() if len(each) > 1]


def long_table(name: str, limits: NameLimits) -> str | None:
    """Return what to do about a table's name that is too long, None if it is not."""
    if limits.longest is None or len(name.encode()) <= limits.longest:
        return None
    return (
        f"the table {name} has a name of more than {limits.longest} bytes: name it by hand under "
        "landings, sql: {table: …}"
    )
