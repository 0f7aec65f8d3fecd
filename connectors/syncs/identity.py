"""What identifies the objects of a sync, and the inventory in which they are looked up."""

from enum import StrEnum
from typing import Final, Self

from pydantic import Field

from connectors.catalogue import DAY, Specification
from connectors.catalogue.specification import Duration


class Sameness(StrEnum):
    """A difference between two spellings that does not make them two objects."""

    CASE = "case"
    BLANKS = "blanks"
    NFC = "nfc"


# As keys are compared unless the YAML says otherwise, and as all ledgers of old have them.
KEYS_IGNORE: Final = (Sameness.CASE, Sameness.BLANKS)
_IGNORES: Final = " ignoring "


class Identification(Specification):
    """What identifies an object: the API's name for it, and the column of the select.

    Attributes:
        name: the API's name.
        column: of the select; None with an inventory, which supplies the identity.
        ignore: what does not make two identities different, here and in the tenant.
    """

    name: str
    column: str | None = None
    ignore: tuple[Sameness, ...] = KEYS_IGNORE

    @property
    def kept(self) -> str:
        """What the ledger keeps: keys that are compared in another way may be other objects."""
        if set(self.ignore) == set(KEYS_IGNORE):
            return self.name
        return f"{self.name}{_IGNORES}{', '.join(sorted(set(self.ignore))) or 'nothing'}"

    @classmethod
    def of_kept(cls, kept: str, column: str) -> Self:
        """Return what `kept` was made from."""
        name, _, ignored = kept.partition(_IGNORES)
        if not ignored:
            return cls(name=name, column=column)
        ignore = (Sameness(each) for each in ignored.split(", ") if each != "nothing")
        return cls(name=name, column=column, ignore=tuple(ignore))


class InventorySpecification(Specification):
    """The landed dataset in which identities are looked up.

    Attributes:
        dataset: a snapshot dataset of the catalogue.
        match: landed column by column of the select; all of them must match.
        identity: the landed column that identifies an object.
        max_age: how old the snapshot may be.
        ignore: what does not make two spellings different: case, blanks around them, and whether
            accents are composed (NFC). What is sent is the inventory's spelling.
    """

    dataset: str
    match: dict[str, str] = Field(min_length=1)
    identity: str
    max_age: Duration = DAY
    ignore: tuple[Sameness, ...] = (Sameness.CASE, Sameness.BLANKS, Sameness.NFC)
