"""How a result's header meets the declared columns: what lands, under which names, or why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from connectors.catalogue import Column, DatasetSpecification, Drift
from connectors.errors import DataRefusedError

# In messages, which are also kept in the ledger.
NAMES_SHOWN = 10
NAME_SHOWN = 200


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """How a result's header meets the declared columns.

    `present` pairs each header with its column; `absent` are declared columns that the tenant did
    not send; `added` are undeclared ones that it sent and that land as text; `dropped` are
    undeclared ones that are left out.
    """

    present: tuple[tuple[str, Column], ...]
    absent: tuple[Column, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def landed(self) -> tuple[Column, ...]:
        """Return all columns that land, in the order in which they land."""
        return (*(column for _, column in self.present), *self.absent)


def match_header(header: Sequence[str], specification: DatasetSpecification) -> HeaderMatch:
    """Match a result's header with the declared columns.

    Raises:
        DataRefusedError: a required column, or one that `where` looks at, is missing, two headers
            land under one name, or a column is new and the dataset's drift mode is freeze.
    """
    declared = {column.nql: column for column in specification.columns}
    _check_names(header, declared, specification.dataset)
    absent = tuple(column for nql, column in declared.items() if nql not in header)
    _check_where(absent, specification)
    added, dropped = _undeclared(header, declared, specification)
    present = [(text, declared[text]) for text in declared if text in header]
    present += [(column.nql, column) for column in added]
    landed = [column.name for _, column in present] + [column.name for column in absent]
    if meet := sorted({text for text in landed if landed.count(text) > 1}):
        raise DataRefusedError(
            f"{specification.dataset}: two columns of the result land as {_listed(meet)}: declare "
            "both, each with its own name"
        )
    return HeaderMatch(tuple(present), absent, tuple(column.nql for column in added), dropped)


def _check_names(header: Sequence[str], declared: Mapping[str, Column], name: str) -> None:
    """Raise unless the header names every required column, and no column twice."""
    # This comes first: if there is no header, a row stands in its place and must not be quoted.
    if not declared.keys() & set(header):
        raise DataRefusedError(
            f"{name}: the result's first line names none of the declared columns; "
            "nothing was published"
        )
    if "" in header:
        raise DataRefusedError(f"{name}: the result has a column without a name")
    if twice := sorted({text for text in header if header.count(text) > 1}):
        raise DataRefusedError(f"{name}: the result has {_listed(twice)} twice")
    absent = [column for nql, column in declared.items() if nql not in header]
    if missing := [column.nql for column in absent if not column.nullable or column.key]:
        raise DataRefusedError(
            f"{name}: the result lacks the required {_listed(missing)}: the saved query in "
            f"Nexthink differs from nxp datasets {name} --nql; nothing was published"
        )


def _check_where(absent: Sequence[Column], specification: DatasetSpecification) -> None:
    """Raise if a column did not come that decides which rows land: null would leave rows out."""
    if not absent or specification.where is None or specification.derived is None:
        return
    needed = specification.derived.filtered_by
    if missing := [column.nql for column in absent if column.name in needed]:
        name = specification.dataset
        raise DataRefusedError(
            f"{name}: the result lacks {_listed(missing)}, which where looks at: the saved query "
            f"in Nexthink differs from nxp datasets {name} --nql; nothing was published"
        )


def _undeclared(
    header: Sequence[str], declared: Mapping[str, Column], specification: DatasetSpecification
) -> tuple[list[Column], tuple[str, ...]]:
    """Return the undeclared columns that land as text, and the headers of those that do not."""
    name = specification.dataset
    new = [text for text in header if text not in declared]
    if new and specification.drift is Drift.FREEZE:
        raise DataRefusedError(
            f"{name}: the result has the undeclared {_listed(new)} and drift is freeze; "
            "nothing was published"
        )
    if specification.drift is not Drift.EVOLVE:
        return [], tuple(new)
    try:
        return [Column(nql=text) for text in new], ()
    except ValidationError:
        raise DataRefusedError(
            f"{name}: one of the undeclared {_listed(new)} would land under a reserved name"
        ) from None


def _listed(names: Sequence[str]) -> str:
    """Return names for a message: a few, cut where they are long, and how many more there are."""
    shown = ", ".join(name[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
