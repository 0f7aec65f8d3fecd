"""What a tenant runs under the ids of saved queries, compared with the catalogue's files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from connectors.catalogue import DatasetSpecification
from connectors.errors import (
    AccessError,
    DataRefusedError,
    LimitReachedError,
    PipelineError,
    UnavailableError,
    UnknownQueryError,
)
from connectors.ledger import Extent, Ledger
from connectors.nexthink.client import NexthinkClient
from nql import syntax
from nql.comparing import Difference, clauses, differences
from nql.errors import NqlSyntaxError
from nql.kinds import Kind
from nql.parser import parse
from nql.scoping import Scope, comparisons

# An instant before all data, so that a query of a window has no rows.
NO_TIME = "2000-01-01 00:00:00"
NO_TEXT = "nxp nql diff"
# Parameters of these types get values that nothing has, where there are such values.
_VALUES = {
    Kind.DATETIME: NO_TIME,
    Kind.INT: "0",
    Kind.FLOAT: "0",
    Kind.BYTES: "0B",
    Kind.DURATION: "0s",
    Kind.VERSION: "v0",
    Kind.IP: "0.0.0.0",  # noqa: S104 - an address to compare with, not to listen on
    Kind.BOOLEAN: "true",
}
_TIMES = frozenset({"from", "to"})
_FORBIDDEN = 403


class QueryAgreement(StrEnum):
    """How a saved query of the tenant compares with its file."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    NOT_PERMITTED = "not permitted"
    NOT_UNDERSTOOD = "not understood"
    FAILED = "failed"


_NOT_RUN = frozenset({QueryAgreement.MISSING, QueryAgreement.NOT_PERMITTED, QueryAgreement.FAILED})


@dataclass(frozen=True, slots=True)
class Compared:
    """One saved query; `message` says why there is no comparison."""

    query_id: str
    outcome: QueryAgreement
    differences: tuple[Difference, ...] = ()
    message: str = ""

    def plain(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "query_id": self.query_id,
            "outcome": self.outcome.value,
            "differences": [
                {"clause": each.clause, "file": each.ours, "tenant": each.theirs}
                for each in self.differences
            ],
            "message": self.message,
        }


def compare(client: NexthinkClient, texts: Mapping[str, str]) -> Iterator[Compared]:
    """Run each saved query once, over nothing where it has parameters, and compare its text.

    Raises:
        PipelineError: the tenant cannot be asked at all, or not any more today.
    """
    for query_id, text in texts.items():
        yield _compare(client, query_id, text)


def _compare(client: NexthinkClient, query_id: str, text: str) -> Compared:
    try:
        # The rows are discarded, also where there are more than execute returns.
        result = client.nql.execute(query_id, values_for(text), row_limit=None)
    except UnknownQueryError as error:
        return Compared(query_id, QueryAgreement.MISSING, message=_reason(error))
    except AccessError as error:
        if error.exchange is None or error.exchange.status != _FORBIDDEN:
            raise
        return Compared(query_id, QueryAgreement.NOT_PERMITTED, message=_reason(error))
    except LimitReachedError:
        raise
    except (DataRefusedError, UnavailableError) as error:
        if error.exchange is None or error.exchange.status is None:
            raise
        return Compared(query_id, QueryAgreement.FAILED, message=_reason(error))
    return against(query_id, text, result.executed_query)


def _reason(error: PipelineError) -> str:
    return " ".join(str(error).split())


def against(query_id: str, text: str, executed: str) -> Compared:
    """Return how the text that a tenant has run compares with the text of a file."""
    try:
        found = differences(text, executed)
    except NqlSyntaxError as error:
        if clauses(text) == clauses(executed):
            return Compared(query_id, QueryAgreement.SAME)
        whose = "the file" if not _is_understood(text) else "the tenant's query"
        return Compared(query_id, QueryAgreement.NOT_UNDERSTOOD, message=f"{whose}: {error}")
    return Compared(
        query_id, QueryAgreement.DIFFERS if found else QueryAgreement.SAME, tuple(found)
    )


def _is_understood(text: str) -> bool:
    try:
        parse(text)
    except NqlSyntaxError:
        return False
    return True


def values_for(text: str) -> dict[str, str]:
    """Return a value for each parameter of a query, chosen so that it finds no rows if possible."""
    try:
        query = parse(text)
    except NqlSyntaxError:
        return {}
    found: dict[str, str] = {}
    for comparison, scope in comparisons(query):
        kind = _kind(comparison.name, scope)
        for value in comparison.values:
            if isinstance(value, syntax.Parameter):
                unknown = NO_TIME if kind is None and value.name in _TIMES else NO_TEXT
                found.setdefault(value.name, _VALUES.get(kind, unknown) if kind else unknown)
    return found


def _kind(field: syntax.Field, scope: Scope) -> Kind | None:
    if isinstance(field, syntax.Call):
        return Kind.DURATION if field.function == "time_elapsed" else Kind.INT
    full = scope.full(field.path)
    tables = [table for table in (scope.table, scope.joined) if table is not None]
    known = [table.fields[full].kind for table in tables if full in table.fields]
    return known[0] if known else None


@dataclass(frozen=True, slots=True)
class LastComparison:
    """What the last comparison of one saved query found."""

    query_id: str
    outcome: QueryAgreement
    clauses: tuple[str, ...]
    at: datetime

    @property
    def is_wrong(self) -> bool:
        """Whether the tenant did not run it."""
        return self.outcome in _NOT_RUN

    def is_true(self, landed: Mapping[str, datetime]) -> bool:
        """Return whether nothing disproves it: rows of a query that was not run show that it is.

        Args:
            landed: when rows last landed, by query id; see `landings`.
        """
        return not self.is_wrong or landed.get(self.query_id, self.at) <= self.at


def landings(datasets: Iterable[DatasetSpecification], ledger: Ledger) -> dict[str, datetime]:
    """Return when rows last landed by a saved query, where a dataset has only one."""
    extents, found = ledger.marks.extents(), {}
    for each in datasets:
        ids = list(each.query_ids())
        landed_at = extents.get(each.dataset, Extent()).landed_at
        if landed_at and len(ids) == 1:
            found[ids[0]] = landed_at
    return found


class LastDifferences:
    """The last comparison of each saved query with one tenant, in a file of the state folder."""

    def __init__(self, home: Path, tenant: str) -> None:
        """Remember where the file is."""
        self._path = home / "nql_diff" / f"{tenant}.json"

    def keep(self, compared: Iterable[Compared], at: datetime) -> None:
        """Record comparisons; those of other queries stay."""
        kept = {each.query_id: each for each in self.read()}
        for one in compared:
            named = tuple(dict.fromkeys(each.clause for each in one.differences))
            kept[one.query_id] = LastComparison(one.query_id, one.outcome, named, at)
        rows = [asdict(each) | {"at": each.at.isoformat()} for each in kept.values()]
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(rows), encoding="utf-8")
        part.replace(self._path)

    def read(self) -> list[LastComparison]:
        """Return what is recorded, by query id; nothing if there is no record or it is broken."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            kept = [
                LastComparison(
                    str(row["query_id"]),
                    QueryAgreement(row["outcome"]),
                    tuple(map(str, row["clauses"])),
                    datetime.fromisoformat(row["at"]),
                )
                for row in rows
            ]
        except (OSError, ValueError, TypeError, KeyError):
            return []
        return sorted(kept, key=lambda each: each.query_id)
