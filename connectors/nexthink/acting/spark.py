"""The Spark API: handing a person's conversation off to Spark, which answers in Microsoft Teams."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from connectors.nexthink.acting.acting import act_without_answer
from connectors.nexthink.acting.answers import Accepted
from connectors.nexthink.acting.limits import header_problems, make_sure
from connectors.nexthink.api import Api

PERMISSION: Final = "Spark"
HANDOFF_PATH: Final = "/api/v1/spark/handoff"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a message: words."""

    text: str = field(repr=False)

    def body(self) -> dict[str, str]:
        """Return the part in the API's shape."""
        return {"type": "TEXT", "text": self.text}


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a message: a file, its content as the text that the API takes."""

    mime_type: str
    content: str = field(repr=False)

    def body(self) -> dict[str, str]:
        """Return the part in the API's shape."""
        return {"type": "FILE", "mimeType": self.mime_type, "fileContent": self.content}


Part: TypeAlias = TextPart | FilePart


@dataclass(frozen=True, slots=True)
class HandoffRequest:
    """A message of a user, named by UPN, that Spark is to answer.

    `metadata` is passed on; `time_zone` is that of the request.
    """

    user: str = field(repr=False)
    parts: Sequence[Part] = field(repr=False)
    metadata: Mapping[str, str] | None = field(default=None, repr=False)
    time_zone: str | None = None

    def __post_init__(self) -> None:
        make_sure(
            "hand-off to Spark",
            header_problems("the user's UPN", self.user),
            header_problems("the time zone", self.time_zone),
            [] if self.parts else ["the message has no part"],
            _part_problems(self.parts),
        )

    @property
    def digest(self) -> str:
        """Distinguishes messages: the beginning of a hash."""
        content = json.dumps(self.body(), sort_keys=True).encode(errors="surrogatepass")
        return hashlib.sha256(content).hexdigest()[:12]

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape; user and time zone are headers."""
        message = {"parts": [each.body() for each in self.parts]}
        metadata = {} if self.metadata is None else {"metadata": dict(self.metadata)}
        return {"message": message, **metadata}

    def headers(self) -> dict[str, str]:
        """Return the headers of the request."""
        zone = {} if self.time_zone is None else {"Timezone": self.time_zone}
        return {"User-Principal-Name": self.user, **zone}


class SparkApi:
    """The operation of Spark, as `client.spark`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def handoff(self, request: HandoffRequest) -> Accepted:
        """Hand a message off to Spark; never sent again if it may have been accepted.

        The tenant's answer has no content.

        Raises:
            PipelineError: as `acting.act`.
        """
        act_without_answer(
            self._api,
            HANDOFF_PATH,
            permission=PERMISSION,
            body=request.body(),
            headers=request.headers(),
        )
        return Accepted()


def _part_problems(parts: Sequence[Part]) -> Iterator[str]:
    for at, part in enumerate(parts):
        if isinstance(part, TextPart) and not part.text:
            yield f"parts[{at}] has no text"
        if isinstance(part, FilePart) and not part.mime_type:
            yield f"parts[{at}] has no type"
