"""What is asked of the tenant for one unit, or for a part of it."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the tenant for one unit."""

    dataset: str
    unit: str
    query_id: str
    parameters: dict[str, str]
    compression: str
    # Which part of the unit, if it is exported in parts.
    piece: str = ""
    # The unit and its part as an operator names them.
    label: str = ""

    @property
    def subject(self) -> str:
        """The dataset and what of it is asked for."""
        return f"{self.dataset} {self.label or self.unit}"

    def fingerprint(self) -> str:
        """Return a hash of the request; only a journalled export with the same one is resumed."""
        text = json.dumps([self.query_id, self.parameters, self.compression], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]
