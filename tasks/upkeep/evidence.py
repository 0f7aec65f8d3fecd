"""What the values of one text column prove about its type: over all rows, batch by batch.

Every type is tried with the cast that will land it, so the type that is proven here will reject
nothing.
"""

import re
from dataclasses import dataclass, field

import polars as pl

from connectors.catalogue import ColumnType
from tasks.columns.cast import cast

TYPES = frozenset(ColumnType) - {ColumnType.STRING, ColumnType.BYTES, ColumnType.DURATION}
# Enough values to rule out most types before the whole batch is cast.
FIRST_LOOK = 100
# With more digits than this, two decimals may be the same float.
EXACT_DIGITS = 15
FEW_VALUES = 12
# Text that would look different if it were read as a number and written again.
NO_PLAIN_NUMBER = r"^[+-]?0[0-9]|^\+|^-0$"
# The same at the end of a decimal: 10.10 and 10.1 may be two versions. But 42.0 is a float's text.
PADDED = r"\.[0-9]+0([eE]|$)|\.([eE]|$)|^[+-]?\."
SIGNIFICANT = r"^[+-]?[0.]*|\.|[eE].*$"
OFFSET = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
DATE_SHAPES = {
    "2026-01-05": r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$",
    "2026-01-05 10:15:00": r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[ T][0-9]{1,2}:",
    "05/01/2026 or 01/05/2026": r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}( |$)",
    "05.01.2026": r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}( |$)",
    "5 Jan 2026": r"^[0-9]{1,2}[ -][A-Za-z]{3,9}[ -][0-9]{4}( |$)",
    "Jan 5, 2026": r"^[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4}",
}


@dataclass(slots=True)
class ColumnEvidence:
    """What is known about one column after the batches so far."""

    header: str
    zone: str
    zone_setting: str
    rows: int = 0
    present: int = 0
    fits: set[ColumnType] = field(default_factory=lambda: set(TYPES))
    has_odd_numbers: bool = False
    is_padded: bool = False
    has_point: bool = False
    is_rounded: bool = False
    is_nested: bool = True
    switches: bool = True
    with_offset: int = 0
    shapes: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] | None = field(default_factory=dict)
    _hashes: pl.Series | None = field(default_factory=lambda: pl.Series(dtype=pl.UInt64))

    @property
    def is_key(self) -> bool:
        """Whether no value came twice and none was missing."""
        return self._hashes is not None and self.present == self.rows > 0

    def take(self, text: pl.Series) -> None:
        """Add one batch to the evidence."""
        self.rows += len(text)
        present = text.drop_nulls()
        present = present.filter(present != "")
        self.present += len(present)
        if len(present) < len(text):
            self._hashes = None
        if not len(present):
            return
        self._try_types(present)
        self._look_at_numbers(present)
        self._look_at_text(present)
        self._look_for_repeats(present)

    def _try_types(self, present: pl.Series) -> None:
        for sample in (present.head(FIRST_LOOK), present):
            self.fits -= {
                kind for kind in self.fits if cast(sample, kind, self.zone).values.null_count()
            }
        self.is_nested = self.is_nested and bool(present.str.contains(r"^\s*[\[{]").all())
        if ColumnType.DATETIME in self.fits:
            self.with_offset += int(present.str.contains(OFFSET).sum())

    def _look_at_numbers(self, present: pl.Series) -> None:
        self.switches = self.switches and bool(present.is_in(["0", "1"]).all())
        if ColumnType.FLOAT not in self.fits:
            return
        self.has_odd_numbers |= bool(present.str.contains(NO_PLAIN_NUMBER).any())
        self.is_padded |= bool(present.str.contains(PADDED).any())
        self.has_point |= bool(present.str.contains(".", literal=True).any())
        digits = present.str.replace_all(SIGNIFICANT, "").str.strip_chars_end("0").str.len_bytes()
        # An exponent may be beyond a float: 1e-400 would be 0.
        long = present.filter((digits > EXACT_DIGITS) | present.str.contains("[eE]"))
        # A float holds a decimal exactly if the shortest text of the float is the decimal itself.
        self.is_rounded |= any(_plain(text) != _plain(repr(float(text))) for text in long.unique())

    def _look_at_text(self, present: pl.Series) -> None:
        if not self.fits:
            for name, pattern in DATE_SHAPES.items():
                matched = int(present.str.contains(pattern).sum())
                self.shapes[name] = self.shapes.get(name, 0) + matched
        if self.values is None:
            return
        counts = present.value_counts(name="n")
        for value, n in counts.head(FEW_VALUES + 1).iter_rows():
            self.values[value] = self.values.get(value, 0) + n
        if len(counts) > FEW_VALUES or len(self.values) > FEW_VALUES:
            self.values = None

    def _look_for_repeats(self, present: pl.Series) -> None:
        if self._hashes is None:
            return
        hashes = present.hash()
        if hashes.n_unique() < len(hashes):
            self._hashes = None
            return
        self._hashes = self._hashes.append(hashes)

    def settle(self) -> None:
        """Look for repeated values across batches; call it after the last one."""
        if self._hashes is not None and self._hashes.n_unique() < len(self._hashes):
            self._hashes = None


def _plain(number: str) -> tuple[str, int]:
    """Return a decimal's digits and its power of ten, to compare decimals as they are written."""
    mantissa, _, power = number.lower().lstrip("+-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    return stripped, int(power or 0) - len(fraction) + len(digits) - len(stripped)


def looks_like(header: str, pattern: str) -> bool:
    """Return whether the last part of a header matches a pattern of names."""
    return bool(re.search(pattern, header.lower().rpartition(".")[2]))
