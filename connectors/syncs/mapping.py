"""Where the value of a field comes from, how it is changed, and whether the API takes it."""

import hashlib
import json
from enum import StrEnum

from pydantic import BaseModel, Field, StrictInt, StrictStr

from connectors.catalogue import Specification
from connectors.nexthink.fields import LONGEST_TEXT, FieldKind, check_value
from connectors.nexthink.fields import WritableField as ApiField

DIGEST_BYTES = 8


class EmptyText(StrEnum):
    """What an empty text means: no value, or emptying the field."""

    NULL = "null"
    KEEP = "keep"


class Normalisation(StrEnum):
    """A change made to a text before it is compared and sent."""

    TRIM = "trim"
    COLLAPSE = "collapse"
    UPPER = "upper"
    LOWER = "lower"
    NFC = "nfc"


class FieldMapping(Specification):
    """Where the value of one field comes from, and how it is changed.

    Attributes:
        column: of the select; by default the last part of the field's name, without `#`.
        empty: what an empty text means.
        clear_when: a SQL condition over the select's columns; where it is true, the field is
            emptied.
        normalise: steps, in this order.
        longest: the longest text, in characters.
        values: what is sent for each text of the source; other texts are rejected. YAML's `yes`
            is a truth value, not a text: it is refused.
    """

    column: str | None = None
    empty: EmptyText = EmptyText.NULL
    clear_when: str | None = None
    normalise: tuple[Normalisation, ...] = ()
    longest: int = Field(default=LONGEST_TEXT, ge=1)
    values: dict[str, StrictStr | StrictInt] = Field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A digest that differs for other mappings: 16 hexadecimal digits."""
        return digest(self)

    def problems(self, name: str, field: ApiField) -> list[str]:
        """Return what is wrong with `values`, which the API's field `name` would get."""
        # The values come from the YAML, not from a row, so they may be shown.
        return [
            f"fields.{name}.values: {target!r} is {problem}"
            for target in self.values.values()
            if (problem := _problem_of(field, target))
        ]


def _problem_of(field: ApiField, target: str | int) -> str | None:
    if target == "":
        return "no value: use clear_when"
    if field.kind is FieldKind.TEXT:
        return check_value(field, str(target))
    if field.kind is FieldKind.NUMBER and isinstance(target, str) and target.isascii():
        target = int(target) if target.isdigit() else target
    return check_value(field, target)


def digest(of: BaseModel) -> str:
    """Return 16 hexadecimal digits that differ for other settings of a part of the YAML."""
    # Without defaults, so that a new key of the YAML does not change old fingerprints.
    text = json.dumps(of.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
