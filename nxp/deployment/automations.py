"""Reading deployments/automations.yaml: what Prefect does by itself, and the alerts it sends."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect.events.schemas.automations import AutomationCore
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.catalogue import DatasetSpecification
from connectors.catalogue.specification import describe
from connectors.catalogue.yaml_text import UNREADABLE, read_yaml, why_unreadable
from connectors.errors import ConfigurationError
from nxp.deployment.files import OURS
from nxp.library import LIBRARY

FILE = "automations.yaml"
# What the webhook of a chat accepts. The template writes the text as JSON, so that no character in
# a name can break it.
PAYLOAD = '{{% set text %}}{text}{{% endset %}}{{"text": {{{{ text | tojson }}}}}}'


class AutomationEntry(BaseModel):
    """One automation in the file; `notify` and `run` stand for actions that need ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^nxp-")
    description: str
    trigger: dict[str, Any]
    actions: tuple[dict[str, Any], ...] = ()
    notify: str | None = None
    run: str | None = None
    each: Literal["dataset"] | None = None
    enabled: bool = True


class AutomationsFile(BaseModel):
    """The file automations.yaml; `definitions` is for anchors that entries share."""

    model_config = ConfigDict(extra="forbid")

    automations: tuple[AutomationEntry, ...]
    definitions: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ids:
    """The server's own ids: of the webhook, None without one, and of the deployments."""

    webhook: UUID | None
    deployments: dict[str, UUID]


def load_automations(
    catalog: Path, datasets: Iterable[DatasetSpecification]
) -> list[AutomationEntry]:
    """Return all automations; an entry with `each: dataset` becomes one for each dataset.

    A project without the file has the alerts of the library.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    path = catalog / FILE
    problems: list[str] = []
    found = []
    after = {each.dataset: each.lasts for each in datasets}
    is_own = path.exists()
    raw = _read(path if is_own else LIBRARY / FILE)["automations"]
    # The library's own start deployments that a project may not have.
    for made in _made(raw if is_own else [each for each in raw if "run" not in each], after):
        name = made.get("name", "an automation without a name")
        try:
            entry = AutomationEntry.model_validate(made)
            # The server's ids are not known yet; any id shows whether Prefect accepts the entry.
            resolve(entry, Ids(UUID(int=0), {entry.run or "": UUID(int=0)}))
            found.append(entry)
        except ValidationError as error:
            problems += [
                f"{name}: {'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
                for each in error.errors(include_input=False)
            ]
    if problems:
        raise ConfigurationError(str(path), problems=tuple(problems))
    return found


def resolve(entry: AutomationEntry, ids: Ids) -> AutomationCore | None:
    """Return an entry as Prefect's automation, or None if it would have nothing to do.

    Raises:
        KeyError: it runs a deployment that does not exist.
        ValidationError: Prefect does not accept it.
    """
    actions = [dict(action) for action in entry.actions]
    if entry.run:
        known = ids.deployments[entry.run]
        actions.append(
            {"type": "run-deployment", "source": "selected", "deployment_id": str(known)}
        )
    if entry.notify and ids.webhook:
        payload = PAYLOAD.format(text=entry.notify)
        webhook = str(ids.webhook)
        actions.append({"type": "call-webhook", "block_document_id": webhook, "payload": payload})
    if not actions:
        return None
    return AutomationCore.model_validate(
        {
            "name": entry.name,
            "description": entry.description,
            "enabled": entry.enabled,
            "tags": [OURS],
            "trigger": entry.trigger,
            "actions": actions,
        }
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = read_yaml(path)
        if isinstance(read["automations"], list):
            return read
    except UNREADABLE as error:
        raise ConfigurationError(f"{path}: {why_unreadable(error)}") from None
    except (KeyError, TypeError):
        pass
    raise ConfigurationError(f"{path}: has no list of automations")


def _made(raw: list[Any], after: Mapping[str, timedelta]) -> Iterator[dict[str, Any]]:
    for entry in raw:
        if entry.get("each") != "dataset":
            yield entry
            continue
        for dataset, stale in after.items():
            yield _filled(entry, dataset, stale)


def _filled(value: Any, dataset: str, after: timedelta) -> Any:
    """Return a value with a dataset's name and freshness in its placeholders."""
    match value:
        case dict():
            return {key: _filled(item, dataset, after) for key, item in value.items()}
        case list():
            return [_filled(item, dataset, after) for item in value]
        case "{stale_after}":
            return after.total_seconds()
        case str():
            return value.replace("{dataset}", dataset).replace("{stale_after}", describe(after))
        case _:
            return value
