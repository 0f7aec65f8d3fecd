"""`nxp schema`: a dataset's columns, learned; JSON Schemas of files, and of what commands print."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from cyclopts import Parameter
from pydantic import ValidationError

from connectors.catalogue import (
    DATASETS,
    DatasetSpecification,
    Described,
    Mode,
    query_path,
    read_specifications,
)
from connectors.clock import utc_now
from connectors.counting import number_of
from connectors.errors import ConfigurationError, HeldError, UsageError
from connectors.lake.storage import storage_errors
from connectors.settings.installation import LIBRARY, Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from connectors.text_files import read_text
from nxp.command_table import help_of
from nxp.editors.files import FOLDER, KINDS, modeline, read_schema
from nxp.options import Json, Parameters, Tenant, dataset_names, parse_parameters
from nxp.options import query_id as saved_id
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.upkeep.draft import DatasetDraft, Sample
    from tasks.upkeep.learn import Lesson

STDOUT = "-"


def learn(
    dataset: Annotated[
        str, Parameter(completer=dataset_names, help="The dataset's name: that of its file.")
    ],
    *,
    query_id: Annotated[
        str | None,
        Parameter(converter=saved_id, help="Id of the saved query; by default that of DATASET."),
    ] = None,
    parameter: Parameters = (),
    mode: Annotated[
        Literal["snapshot", "window"] | None,
        Parameter(help="By default window if the query takes bounds as parameters."),
    ] = None,
    out: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The file to write, or - for stdout; by default in the catalogue.",
        ),
    ] = None,
    force: Annotated[bool, Parameter(negative="", help="Replace an existing file.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Export the query of DATASET once, and write its columns and types as a dataset YAML.

    An existing file is left as it is, and the differences from it are listed instead.
    """
    if out == STDOUT and as_json:
        raise UsageError("--out - prints the YAML, so it cannot be used with --json")
    from tasks.upkeep.draft import write_draft  # noqa: PLC0415 - polars, not for --help

    settings = load_settings()
    wanted = Mode(mode) if mode else None
    given = parse_parameters(parameter)
    found = load_tenant(settings, tenant)
    if settings.catalog == LIBRARY and out is None:
        raise ConfigurationError(
            "there is no project here to write to: nxp init makes one, or use --out FILE"
        )
    draft = _draft(settings, found, (dataset, query_id or f"#{dataset}"), given, wanted)
    lesson = draft.lesson
    target = Path(out) if out else settings.catalog / "datasets" / f"{dataset}.yaml"
    if out != STDOUT and target.exists() and not force:
        _show_differences(draft, target, as_json=as_json)
        return
    text = write_draft(draft, with_values=out != STDOUT)
    _check(dataset, text)
    for note in draft.unsure:
        say(f"unsure: {note}")
    if out == STDOUT:
        print(text, end="")
        return
    if (target.parent.parent / FOLDER).is_dir():
        text = f"{modeline('dataset')}\n{text}"
    _write(target, text)
    counted = number_of(len(lesson.columns), "column")
    say(f"{counted}, learned from {number_of(lesson.rows, 'row')}, are in {target}")
    if as_json:
        columns = [{"nql": c.header, "name": c.name, "type": c.type} for c in lesson.columns]
        print_json({"path": str(target), "columns": columns, "unsure": draft.unsure})


def print_(
    kind: Annotated[str | None, Parameter(help="A kind of file; without it, list them.")] = None,
    *,
    out: Annotated[
        Path | None,
        Parameter(help="Write it to this file; without KIND, all of them into this folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a KIND of file, by which editors complete and check it.

    Without KIND, list the kinds; with --json, print all their schemas.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}: there is {', '.join(KINDS)}")
    if kind:
        text = read_schema(kind)
        if out:
            _write(out, text)
        else:
            print(text, end="")
    elif out:
        with storage_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        for each in KINDS:
            _write(out / f"{each}.json", read_schema(each))
    elif as_json:
        print_json({each: json.loads(read_schema(each)) for each in KINDS})
    else:
        print_table(["kind", "file"], list(KINDS.items()))


def answers(
    *operation: Annotated[str, Parameter(help="An operation, such as export; without it, all.")],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of what OPERATION prints with --json, such as `nql execute`.

    Without OPERATION, list the operations; with --json, print all their schemas.
    """
    from nxp.answers.operations import OPERATIONS  # noqa: PLC0415 - types of all commands
    from nxp.answers.schemas import schema_of  # noqa: PLC0415

    if operation:
        words = " ".join(operation).split()
        chosen = OPERATIONS.get(" ".join(words[words[:1] == ["nxp"] :]))
        if chosen is None:
            raise UsageError(
                f"no such operation: {' '.join(operation)}; nxp schema answers lists them"
            )
        print_json(schema_of(chosen))
    elif as_json:
        print_json({name: schema_of(each) for name, each in OPERATIONS.items()})
    else:
        print_table(["operation", "what it does"], [[name, help_of(name)] for name in OPERATIONS])


def _draft(
    settings: Settings,
    tenant: TenantSettings,
    names: tuple[str, str],
    given: Mapping[str, str],
    mode: Mode | None,
) -> "DatasetDraft":
    from tasks.upkeep.draft import DatasetDraft, plan_sample  # noqa: PLC0415 - polars

    text, notes = _read_query(settings, names[1])
    sample = plan_sample(text, given, mode, utc_now(), tenant.zone)
    lesson, is_cut = _learn(settings, tenant, names, sample)
    if is_cut:
        notes.append("the tenant cut the result at its row limit: later rows may not fit")
    return DatasetDraft(*names, sample, lesson, tuple(notes), _known(settings, names[0]))


def _known(settings: Settings, dataset: str) -> dict[str, Described]:
    """Return described columns by header: of the catalogue, else of the library.

    Of several descriptions the most common one counts: `device.uid` is rarely about workflows.
    """
    known: dict[str, Described] = {}
    own: dict[str, Described] = {}
    for catalogue in (LIBRARY, settings.catalog):
        read = read_specifications(catalogue / DATASETS, DatasetSpecification).valid
        by_header: dict[str, list[Described]] = {}
        for each in read.values():
            for column in each.columns:
                if column.description or column.unit or column.personal:
                    by_header.setdefault(column.nql, []).append(column)
                    # A dataset of the same name has the last word.
                    own |= {column.nql: column} if each.dataset == dataset else {}
        for header, columns in by_header.items():
            said = Counter(column.description for column in columns).most_common(1)[0][0]
            known[header] = next(each for each in columns if each.description == said)
    return known | own


def _read_query(settings: Settings, query_id: str) -> tuple[str, list[str]]:
    path = query_path(settings.catalog, query_id)
    try:
        return read_text(path), []
    except FileNotFoundError:
        return "", [f"queries/{path.name} is missing: nxp check wants the text of the saved query"]
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8") from None


def _learn(
    settings: Settings, tenant: TenantSettings, names: tuple[str, str], sample: "Sample"
) -> tuple["Lesson", bool]:
    dataset, query_id = names
    from tasks.stories.learn import LearnAsked, learn  # noqa: PLC0415 - polars, not for --help

    return learn(settings, tenant, LearnAsked(dataset, query_id, sample.parameters))


def _check(dataset: str, text: str) -> None:
    """Raise unless the catalogue accepts what is to be written; only the name can be wrong."""
    try:
        DatasetSpecification.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        problems = "; ".join(problem["msg"] for problem in error.errors(include_input=False))
        raise UsageError(f"{dataset}: {problems.replace('Value error, ', '')}") from None


def _write(target: Path, text: str) -> None:
    with storage_errors(target):
        staged = target.with_name(f".{target.name}.new")
        staged.write_text(text, "utf-8")
        staged.replace(target)


def _show_differences(draft: "DatasetDraft", target: Path, *, as_json: bool) -> None:
    """Print how the result differs from the declared columns; raise if rows would not fit."""
    from tasks.upkeep.learn import differences  # noqa: PLC0415 - polars

    try:
        declared = DatasetSpecification.model_validate(yaml.safe_load(read_text(target)))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError):
        raise UsageError(
            f"{target} exists and is not a dataset: nxp check says why, --force replaces it"
        ) from None
    found = differences(draft.lesson, declared)
    rows: list[Mapping[str, Any]] = [
        {"column": d.header, "what": d.what, "declared": d.declared, "learned": d.learned}
        | {"breaks": d.breaks}
        for d in found
    ]
    if as_json:
        print_json(
            {"path": str(target), "rows": draft.lesson.rows, "differences": rows}
            | {"unsure": list(draft.notes)}
        )
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    for note in draft.notes:
        # Such as that the tenant cut the result: then `all rows` below are only those it sent.
        say(f"unsure: {note}")
    if broken := sum(difference.breaks for difference in found):
        raise HeldError(
            f"{target} is stale: {broken} columns differ from the result; correct it, or replace "
            "it with --force"
        )
    say(f"{target} fits all {draft.lesson.rows:,} rows; --force would replace it")
