"""Proposing declared columns from what their values prove, and noting what remains uncertain."""

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.catalogue import Column, ColumnType, DatasetSpecification, landed_name
from connectors.catalogue.columns import RESERVED
from connectors.errors import DataRefusedError
from connectors.nexthink.results.result_file import ResultFile
from tasks.upkeep.evidence import ColumnEvidence, looks_like

# Names show what numbers cannot: nobody calculates with an id, and memory is in bytes.
ID = (
    r"(^|_|#)(u?id|uuid|guid|sid|code|version|build|serial|serial_number|phone|zip|postal_code"
    r"|imei|asset_tag)$"
)
BYTES = r"memory|bytes|traffic|capacity|disk_space|(^|_)size$"
DURATION = r"duration|_time$|seconds|uptime|latency|elapsed"
MEASURE = r"score|ratio|rate|percent|average|avg|usage|load|temperature"
# The values of such columns are never listed: even a few of them may identify people or machines.
PERSONAL = r"name|mail|upn|address|title|department|office|phone|user|owner|manager|city|location"
REPEATS = 5
# In fewer rows, any column may be unique by chance.
KEY_ROWS = 20
COUNT = r"^number_of|count$"
NOT_NUMBERS = (
    ColumnType.BOOL,
    ColumnType.DATETIME,
    ColumnType.DATE,
    ColumnType.LIST,
    ColumnType.JSON,
)
NESTED = {
    ColumnType.LIST: ["looks like lists, a guess: string keeps the text as it is"],
    ColumnType.JSON: ["looks like JSON, a guess: string takes any text"],
}


@dataclass(frozen=True, slots=True)
class ProposedColumn:
    """One proposed column; `notes` say what is uncertain, `values` what a check could allow."""

    header: str
    name: str
    type: ColumnType
    notes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether the name differs from the one derived from the header."""
        return self.name != landed_name(self.header)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one whole result teaches: its columns in order, and the evidence for each."""

    rows: int
    columns: tuple[ProposedColumn, ...]
    evidence: tuple[ColumnEvidence, ...]


@dataclass(frozen=True, slots=True)
class ResultDifference:
    """One difference between declared columns and a result; it `breaks` if rows would not fit.

    `what` is added, gone or type.
    """

    header: str
    what: str
    declared: str | None
    learned: str | None
    breaks: bool


def learn_file(file: ResultFile, zone: str, zone_setting: str = "the tenant's time_zone") -> Lesson:
    """Read a whole result and propose its columns.

    Args:
        file: the result.
        zone: the zone of date-times without an offset.
        zone_setting: what sets it.

    Raises:
        DataRefusedError: there are no rows, ragged rows, or a header that cannot be declared.
    """
    header = file.header
    if "" in header or len(set(header)) < len(header):
        raise DataRefusedError("the result has a column without a name, or one name twice")
    found = [ColumnEvidence(text, zone, zone_setting) for text in header]
    ragged = 0
    for batch in file.frames():
        for one in found:
            one.take(batch[one.header])
        ragged += len(file.take_ragged())
    ragged += len(file.take_ragged())
    rows = found[0].rows if found else 0
    if ragged:
        raise DataRefusedError(f"{ragged} rows have more or fewer fields than the header")
    if not rows:
        raise DataRefusedError(
            "the result has no rows to learn from: widen the query's time frame or filters for "
            "now, or set its parameters (-p)"
        )
    for one in found:
        one.settle()
    names = propose_names(header)
    return Lesson(rows, tuple(_column(one, names[one.header]) for one in found), tuple(found))


def propose_names(header: Sequence[str]) -> dict[str, str]:
    """Return a landed name for each header: unique, and not reserved."""
    names: dict[str, str] = {}
    for text in header:
        name = landed_name(text)
        if RESERVED.fullmatch(name):
            name = f"{name.lstrip('_')}_value"
        taken = {*names.values(), *(landed_name(other) for other in header if other != text)}
        number = 2
        proposed = name
        # The first of two headers with the same name keeps it.
        while proposed in names.values() or (proposed != landed_name(text) and proposed in taken):
            proposed = f"{name}_{number}"
            number += 1
        names[text] = proposed
    return names


def differences(lesson: Lesson, declared: DatasetSpecification) -> list[ResultDifference]:
    """Return the differences between declared columns and a result.

    A declared type that all values fit is listed only if another type is proposed.
    """
    columns = {column.nql: column for column in declared.columns}
    found = [
        ResultDifference(nql, "gone", column.type, None, breaks=True)
        for nql, column in columns.items()
        if nql not in {learned.header for learned in lesson.columns}
    ]
    for learned, evidence in zip(lesson.columns, lesson.evidence, strict=True):
        column = columns.get(learned.header)
        if column is None:
            found.append(ResultDifference(learned.header, "added", None, learned.type, breaks=True))
        elif column.type is not learned.type and evidence.present:
            breaks = not _holds(evidence, column)
            found.append(
                ResultDifference(learned.header, "type", column.type, learned.type, breaks)
            )
    return found


def _holds(evidence: ColumnEvidence, column: Column) -> bool:
    same = {ColumnType.BYTES: ColumnType.INT, ColumnType.DURATION: ColumnType.FLOAT}
    return column.type is ColumnType.STRING or same.get(column.type, column.type) in evidence.fits


def _column(evidence: ColumnEvidence, name: str) -> ProposedColumn:
    kind, notes = decide(evidence)
    if name != landed_name(evidence.header):
        notes = [*notes, "the header's own name is reserved or taken: choose another if you wish"]
    if (
        evidence.is_key
        and evidence.rows >= KEY_ROWS
        and kind in {ColumnType.STRING, ColumnType.INT}
    ):
        notes = [*notes, "unique and never null: a candidate for key"]
    values: tuple[str, ...] = ()
    few = evidence.values
    if kind is ColumnType.STRING and few and evidence.present >= REPEATS * len(few):
        notes = [*notes, f"only {_counted(len(few))}: an allowed check may fit"]
        values = tuple(sorted(few)) if _may_list_values(evidence.header) else ()
    return ProposedColumn(evidence.header, name, kind, tuple(notes), values)


def decide(evidence: ColumnEvidence) -> tuple[ColumnType, list[str]]:
    """Return the narrowest type in which no value loses anything, with notes."""
    if not evidence.present:
        return ColumnType.STRING, ["no value in any row: the type is unknown"]
    if ColumnType.FLOAT in evidence.fits:
        reason = _why_no_number(evidence)
        return (ColumnType.STRING, [reason]) if reason else _number(evidence)
    fitting = [kind for kind in NOT_NUMBERS if kind in evidence.fits]
    if not fitting or (fitting[0] in NESTED and not evidence.is_nested):
        return ColumnType.STRING, _text_notes(evidence)
    if fitting[0] is ColumnType.LIST and looks_like(evidence.header, ID):
        return ColumnType.STRING, []
    return fitting[0], _time_notes(evidence) + NESTED.get(fitting[0], [])


def _why_no_number(evidence: ColumnEvidence) -> str | None:
    """Return why numbers are kept as text: because they would lose something as numbers."""
    if looks_like(evidence.header, ID):
        return "only numbers; kept as text because its name says id or version"
    if evidence.has_odd_numbers:
        return "numbers with leading zeros or signs: kept as text"
    if ColumnType.INT not in evidence.fits and not evidence.has_point:
        return "numbers beyond int, or with exponents only: kept as text"
    if evidence.is_padded:
        return (
            "decimals with zeros at their end, or a bare point: kept as text, since 10.10 would "
            "become 10.1 (declare float if they are measures)"
        )
    if ColumnType.INT not in evidence.fits and evidence.is_rounded:
        return "more digits than a float holds: kept as text, to avoid rounding"
    return None


def _number(evidence: ColumnEvidence) -> tuple[ColumnType, list[str]]:
    if looks_like(evidence.header, DURATION):
        return ColumnType.DURATION, ["a duration in seconds, by its name: a guess"]
    return _whole(evidence) if ColumnType.INT in evidence.fits else (ColumnType.FLOAT, [])


def _whole(evidence: ColumnEvidence) -> tuple[ColumnType, list[str]]:
    if looks_like(evidence.header, BYTES):
        return ColumnType.BYTES, ["bytes, by its name: a guess"]
    if evidence.switches and not looks_like(evidence.header, COUNT):
        return ColumnType.INT, ["only 0 and 1: may be bool, which accepts them too"]
    if looks_like(evidence.header, MEASURE):
        return ColumnType.INT, ["only whole numbers so far: may be float"]
    return ColumnType.INT, []


def _time_notes(evidence: ColumnEvidence) -> list[str]:
    if ColumnType.DATETIME not in evidence.fits or evidence.with_offset == evidence.present:
        return []
    some = "some of the values have" if evidence.with_offset else "the values have"
    return [f"{some} no offset: read in {evidence.zone} ({evidence.zone_setting})"]


def _text_notes(evidence: ColumnEvidence) -> list[str]:
    shapes = {name: count for name, count in evidence.shapes.items() if count}
    if sum(shapes.values()) < evidence.present:
        return []
    forms = " and ".join(shapes)
    return [f"looks like dates, written as {forms}: kept as text, only 2026-01-05 is a date"]


def _may_list_values(header: str) -> bool:
    return not header.lower().startswith("user.") and not looks_like(header, f"{PERSONAL}|{ID}")


def _counted(number: int) -> str:
    return "one value" if number == 1 else f"{number} values"
