"""Decides on an enrichment request, object by object: what is written and what is refused.

Only the codes 001, 011 and 042 are known, from the vendor's examples; the others are guesses. These
are guesses too: nothing is written for an object with any problem, all objects that share a name
are written, and an unknown object is refused at once rather than lost later.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.directory import Directory
from sandbox.enrichment.fields import OutOfRangeError, TooLongError, WrongTypeError
from sandbox.enrichment.store import EnrichmentStore, Write

MISSING = "ENRICH_001"
MALFORMED = "ENRICH_002"
UNKNOWN_FIELD = "ENRICH_010"
WRONG_TYPE = "ENRICH_011"
OUT_OF_RANGE = "ENRICH_012"
TOO_LONG = "ENRICH_013"
OTHER_OBJECT = "ENRICH_014"
UNKNOWN_OBJECT = "ENRICH_020"
TOO_MANY = "ENRICH_042"

IDENTIFICATIONS = {
    "device/device/name": ("device", "name"),
    "device/device/uid": ("device", "uid"),
    "user/user/sid": ("user", "sid"),
    "user/user/uid": ("user", "uid"),
    "user/user/upn": ("user", "upn"),
    "binary/binary/uid": ("binary", "uid"),
    "package/package/uid": ("package", "uid"),
}


class RequestRefusedError(Exception):
    """A request that is refused as a whole."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the answer."""
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ObjectProblem:
    """Why an object is refused."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one object: values to write, or problems and no values."""

    identification: dict[str, str]
    writes: tuple[Write, ...]
    problems: tuple[ObjectProblem, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """Reads requests against the fields and the objects of a tenant."""

    store: EnrichmentStore
    directory: Directory
    limit: int
    # Whether unknown objects are accepted like any other, and then lost.
    takes_unknown: bool = False

    def decide(self, body: object) -> tuple[str, list[Decision]]:
        """Return the domain and a decision for each object.

        Raises:
            RequestRefusedError: the whole request is malformed.
        """
        if not isinstance(body, dict):
            raise RequestRefusedError(MALFORMED, "The body is not a JSON object.")
        enrichments, domain = body.get("enrichments"), body.get("domain")
        absent = [name for name in ("enrichments", "domain") if not body.get(name)]
        if absent:
            raise RequestRefusedError(MISSING, f"Missing required field(s): {', '.join(absent)}.")
        if not isinstance(enrichments, list) or not isinstance(domain, str):
            raise RequestRefusedError(MALFORMED, "enrichments is not a list, or domain not a text.")
        if len(enrichments) > self.limit:
            message = f"The number of objects is beyond the maximum of {self.limit}."
            raise RequestRefusedError(TOO_MANY, message)
        # Identified first: an answer repeats identifications, so each must be valid.
        identified = [_identification(position, each) for position, each in enumerate(enrichments)]
        return domain, [
            self._decide(identification, each)
            for identification, each in zip(identified, enrichments, strict=True)
        ]

    def _decide(self, identification: dict[str, str], enrichment: dict[str, object]) -> Decision:
        entity, name = IDENTIFICATIONS[identification["name"]]
        uids = self.directory.find(entity, name, identification["value"])
        problems: list[ObjectProblem] = []
        if not uids and not self.takes_unknown:
            problems.append(ObjectProblem(UNKNOWN_OBJECT, f"There is no {entity} of this {name}."))
        fields = enrichment.get("fields")
        if not isinstance(fields, list) or not fields:
            problems.append(ObjectProblem(MISSING, "Missing required field(s): fields."))
            fields = []
        writes: list[Write] = []
        for field in fields:
            for read in self._read(entity, field, uids):
                if isinstance(read, ObjectProblem):
                    problems.append(read)
                else:
                    writes.append(read)
        return Decision(identification, () if problems else tuple(writes), tuple(problems))

    def _read(self, entity: str, given: object, uids: list[str]) -> Iterator[Write | ObjectProblem]:
        """Yield a value of one field for each object, or a problem."""
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            yield ObjectProblem(MISSING, "Missing required field(s): name.")
            return
        name, value = given["name"], given.get("value")
        field = self.store.fields.get(name)
        if value is None:
            yield ObjectProblem(MISSING, "Missing required field(s): value.")
        elif field is None:
            yield ObjectProblem(UNKNOWN_FIELD, f"There is no field {name[:100]}.")
        elif field.entity != entity:
            yield ObjectProblem(OTHER_OBJECT, f"{name} is not a field of a {entity}.")
        else:
            try:
                read = field.read(value)
            except WrongTypeError as error:
                yield ObjectProblem(WRONG_TYPE, f"{error}.")
            except TooLongError as error:
                yield ObjectProblem(TOO_LONG, f"{error}.")
            except OutOfRangeError as error:
                yield ObjectProblem(OUT_OF_RANGE, f"{error}.")
            else:
                yield from (Write(uid, field, read) for uid in uids)


def _identification(position: int, enrichment: object) -> dict[str, str]:
    """Return how an object is identified, or refuse the request."""
    where = f"enrichments[{position}]"
    if not isinstance(enrichment, dict):
        raise RequestRefusedError(MALFORMED, f"{where} is not a JSON object.")
    given = enrichment.get("identification")
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        message = f"{where}.identification is not a list of one object."
        raise RequestRefusedError(MISSING if not given else MALFORMED, message)
    name, value = given[0].get("name"), given[0].get("value")
    if name is None or value is None:
        raise RequestRefusedError(MISSING, f"{where}.identification lacks its name or value.")
    if not isinstance(name, str) or name not in IDENTIFICATIONS or not isinstance(value, str):
        message = f"{where}.identification has an unknown name, or a value that is not a text."
        raise RequestRefusedError(MALFORMED, message)
    return {"name": name, "value": value}
