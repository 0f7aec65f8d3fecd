"""The API's answers: public values, and the wire formats that they are read from.

Fields that may contain people's data or a signed URL are left out of every `repr`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.nexthink.result_columns import ResultColumn, ResultColumns, columns_of

# The API's documented pattern and length limit differ by one: 255 satisfies both.
QUERY_ID: Final = re.compile(r"#[a-z0-9_]{2,254}")

# The limit per enrichment request in the specification of 2026; that of 2024 allowed 5,000.
MOST_OBJECTS: Final = 10_000
DEFAULT_OBJECTS: Final = 5_000
# Twice the size of 5,000 objects with six fields; no limit is documented, but gateways have one.
DEFAULT_BYTES: Final = 4 * 2**20

# An id that the tenant gives: as long as the ledger's columns, printable, and not only dots, which
# would change the path of a URL.
TenantId = Annotated[str, Field(max_length=255, pattern=r"^[!-~]*[!-\-/-~][!-~]*$")]
# S3's signed URLs have up to 2,000 characters.
TenantUrl = Annotated[str, Field(max_length=8_192, pattern=r"^[!-~]*$")]
# More rows than any tenant has events.
RowCount = Annotated[int, Field(ge=0, le=10**12)]
_LONGEST_DESCRIPTION: Final = 1_000


class Compression(StrEnum):
    """How the tenant compresses a result file."""

    NONE = "NONE"
    GZIP = "GZIP"
    ZSTD = "ZSTD"


class ExportState(StrEnum):
    """The progress of an export."""

    SUBMITTED = "SUBMITTED"
    IN_PROGRESS = "IN_PROGRESS"
    ERROR = "ERROR"
    COMPLETED = "COMPLETED"


# Final words that the specification does not have: one reported, one of the vendor's own prose.
_OTHER_WORDS: Final = {"FAILED": ExportState.ERROR, "COMPLETE": ExportState.COMPLETED}
_LONGEST_WORD: Final = 40
# Nothing else is shown: a server may echo what it was sent.
_STATE_WORD: Final = re.compile(r"[A-Za-z]+(?:[ _][A-Za-z]+){0,3}")


def export_state(word: str) -> ExportState | None:
    """Return the state that a tenant's word means, in any case; None if it is not known."""
    name = re.sub(r"[\s_-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word.strip())).upper()
    return _OTHER_WORDS.get(name) or ExportState.__members__.get(name)


class StartedExport(str):
    """The id of an export that the tenant has accepted, with its first state.

    The id is plain text, as every operation on an export takes it. The API returns nothing else,
    so the state is derived: an accepted export is submitted.
    """

    __slots__ = ()
    state: ClassVar[ExportState] = ExportState.SUBMITTED

    @property
    def export_id(self) -> str:
        """The id alone."""
        return str(self)


class _Value(BaseModel):
    # Strict: a number in place of text means that the API has changed; do not convert it.
    model_config = ConfigDict(
        frozen=True, strict=True, validate_by_name=True, hide_input_in_errors=True
    )


class ExportStatus(_Value):
    """The state of one export; `truncated` means that the licence's row limit cut the result.

    Tenants write the words of states in other ways, and use others. An unknown word means that the
    export is in progress, as only a final word can mean more; `unknown_word` is the word then.
    """

    state: ExportState = Field(alias="status")
    unknown_word: str | None = None
    results_url: TenantUrl | None = Field(default=None, alias="resultsFileUrl", repr=False)
    error_description: str | None = Field(default=None, alias="errorDescription", repr=False)
    truncated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _understand(cls, given: Any) -> Any:
        word = given.get("status") if isinstance(given, dict) else None
        if not isinstance(word, str):
            return given
        state = export_state(word)
        named = word.strip()[:_LONGEST_WORD]
        shown = named if _STATE_WORD.fullmatch(named) else "(not a word)"
        return given | {
            "status": state or ExportState.IN_PROGRESS,
            "unknown_word": None if state else shown,
        }

    @field_validator("error_description")
    @classmethod
    def _cut(cls, text: str | None) -> str | None:
        # It is only shown to a person, so it is never a reason to refuse the answer.
        return text and text[:_LONGEST_DESCRIPTION]


class QueryResult(_Value):
    """The answer of one `execute`, in the same shape for both versions of the API.

    `executed_at` is unchanged: without a zone if the tenant sends none. `headers` of a v2 answer
    are the keys of its rows in order of appearance, so without rows there are none.
    `columns` has those of a result without rows too, as far as they can be known.
    """

    query_id: str
    executed_query: str = Field(repr=False)
    rows: int
    executed_at: datetime
    headers: list[str]
    data: list[dict[str, Any]] = Field(repr=False)

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """The columns in order, each with the type that its values show."""
        return self.described().columns

    def described(self, declared: Mapping[str, str] | None = None) -> ResultColumns:
        """Return the columns, given the types that a dataset declares for this query."""
        return columns_of(self.headers, self.data, self.executed_query, declared)


@dataclass(frozen=True)
class Transferred:
    """The result of transferring one result file.

    `truncated` is the tenant's answer if this download had to ask for a URL, otherwise None.
    """

    wire_bytes: int
    csv_bytes: int
    compression: Compression
    resumed: int
    restarted: int
    truncated: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Transferred):
    """One downloaded result file: plain CSV at `path`.

    `rows` counts its records without the header, None if that was not asked for. `ragged` of them
    have more or fewer fields than the header.
    """

    path: Path
    rows: int | None = None
    ragged: int = 0


class Taken(StrEnum):
    """How much of a request the tenant has accepted."""

    ALL = "all"
    SOME = "some"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class ObjectError:
    """Why one object was refused; everything but the code may contain people's data.

    `code` is that of the first problem, `message` all of their words, `problems` each (code,
    message).
    """

    name: str
    value: str = field(repr=False)
    code: str
    message: str = field(default="", repr=False)
    problems: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class EnrichmentAnswer:
    """The tenant's answer about the objects of one request.

    `code` is set if the whole request is refused; `unread` counts the errors that do not identify
    an object.
    """

    taken: Taken
    errors: tuple[ObjectError, ...] = ()
    unread: int = 0
    code: str | None = None
    message: str = field(default="", repr=False)


class EnrichmentReply(BaseModel):
    """An answer of the enrichment API as sent, in any of its forms; all parts may be absent."""

    # Lenient: failing to read an answer is worse than reading less of it.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    status: Any = None
    errors: Any = Field(default=None, repr=False)
    code: Any = Field(default=None, repr=False)
    message: Any = Field(default=None, repr=False)


class ExportAnswer(_Value):
    """The answer to starting an export."""

    export_id: TenantId = Field(alias="exportId")


class ExecuteAnswer(_Value):
    """The common part of both versions of an `execute` answer.

    Of a result without rows, tenants leave out the count, or send null in place of the rows.
    """

    query_id: str = Field(alias="queryId")
    executed_query: str = Field(alias="executedQuery")
    rows: RowCount | None = None


class ExecuteAnswerV1(ExecuteAnswer):
    """An answer with headers and rows of cells, and its time in parts."""

    executed_at: dict[str, int] = Field(alias="executionDateTime")
    headers: list[str] | None = None
    data: list[list[Any]] | None = None

    @field_validator("executed_at")
    @classmethod
    def _is_a_moment(cls, parts: dict[str, int]) -> dict[str, int]:
        _moment(parts)
        return parts

    @model_validator(mode="after")
    def _is_a_table(self) -> "ExecuteAnswerV1":
        headers = self.headers or []
        if len(set(headers)) < len(headers):
            raise ValueError("a header appears twice")
        if any(len(row) != len(headers) for row in self.data or ()):
            raise ValueError("a row is not as long as the headers")
        return self

    def result(self) -> QueryResult:
        """Return the answer in its common shape."""
        return QueryResult(
            query_id=self.query_id,
            executed_query=self.executed_query,
            rows=len(self.data or ()) if self.rows is None else self.rows,
            executed_at=_moment(self.executed_at),
            headers=self.headers or [],
            data=[dict(zip(self.headers or (), row, strict=True)) for row in self.data or ()],
        )


class ExecuteAnswerV2(ExecuteAnswer):
    """An answer with rows keyed by column, and its time in ISO format."""

    executed_at: datetime = Field(alias="executionDateTime")
    data: list[dict[str, Any]] | None = None

    def result(self) -> QueryResult:
        """Return the answer in its common shape."""
        data = self.data or []
        return QueryResult(
            query_id=self.query_id,
            executed_query=self.executed_query,
            rows=len(data) if self.rows is None else self.rows,
            executed_at=self.executed_at,
            headers=list(dict.fromkeys(key for row in data for key in row)),
            data=data,
        )


def _moment(parts: dict[str, int]) -> datetime:
    names = ("year", "month", "day", "hour", "minute", "second")
    try:
        return datetime(*(parts[name] for name in names))  # type: ignore[arg-type]  # noqa: DTZ001 - as the tenant writes it
    except (KeyError, OverflowError):
        raise ValueError("not a date and time") from None
