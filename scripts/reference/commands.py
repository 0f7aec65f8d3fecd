"""docs/reference/commands.md: every command with its arguments, options, defaults and examples."""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cyclopts import App
from cyclopts.argument import Argument

from nxp.cli import build_app
from nxp.command_table import COMMANDS, GROUPS
from scripts.reference.markdown import code, made_by, table

# An option whose opposite differs from leaving it out.
_BOTH: Final = frozenset({"--no-prefect"})
_BEGINNING: Final = """\
# Commands

Every command with its arguments, options, defaults and examples, to look them up. {made_by}

Data go to stdout, everything else to stderr. Parameters are given as `-p key=value`. A plain date
is 00:00 UTC, a date-time needs an offset, `--to` is exclusive. Exit codes: [errors](errors.md).
What `--json` prints, field by field: [connector](../connector.md).
"""


def page() -> str:
    """Return the text of docs/reference/commands.md."""
    app = build_app()
    lines = [_BEGINNING.format(made_by=made_by("commands"))]
    lines += table(
        ("command", "does"),
        ((f"[`nxp {name}`](#nxp-{name})", text) for name, text in COMMANDS.items()),
    )
    for name, text in COMMANDS.items():
        lines += _command(app[name], name, text) if name not in GROUPS else _group(app, name, text)
    return "\n".join(lines) + "\n"


def _group(app: App, name: str, text: str) -> Iterator[str]:
    yield from ("", f"## nxp {name}", "", text)
    for verb, verb_text in GROUPS[name].items():
        yield from _command(app[name][verb], f"{name} {verb}", verb_text, level="###")


def _command(app: App, name: str, text: str, level: str = "##") -> Iterator[str]:
    arguments = [
        each for each in app.assemble_argument_collection(parse_docstring=True) if each.show
    ]
    yield from ("", f"{level} nxp {name}", "", text)
    if more := _more(app.default_command):
        yield from ("", more)
    yield from ("", "```", _usage(name, arguments), "```")
    own = [_row(each) for each in arguments]
    if own:
        yield ""
        yield from table(("argument or option", "default", "meaning"), own)
    if isinstance(app.help_epilogue, str):
        yield from ("", app.help_epilogue)


def _more(function: Any) -> str:
    """Return what a function's docstring says below its first line, for users."""
    _, _, rest = (inspect.getdoc(function) or "").partition("\n\n")
    return re.split(r"(?:^|\n\n)(?:Args|Raises|Returns):", rest)[0]


def _usage(name: str, arguments: Sequence[Argument]) -> str:
    words = [f"nxp {name}"]
    for each in arguments:
        if _is_word(each):
            word = f"{_word(each)}…" if _is_many(each) else _word(each)
            words.append(word if each.required else f"[{word}]")
    if not all(map(_is_word, arguments)):
        words.append("[OPTIONS]")
    return " ".join(words)


def _row(each: Argument) -> tuple[str, str, str]:
    meaning = (each.parameter.help or "").strip()
    if _is_word(each):
        names = code(_word(each))
    else:
        no = set(each.negatives) if each.field_info.default is not True else set()
        names = ", ".join(code(name) for name in each.names if name not in no or name in _BOTH)
    return names, _default(each), meaning


def _is_word(each: Argument) -> bool:
    return each.index is not None


def _is_many(each: Argument) -> bool:
    return each.field_info.kind is each.field_info.VAR_POSITIONAL


def _word(each: Argument) -> str:
    return each.names[0].strip("-").replace("-", "_").upper()


def _default(each: Argument) -> str:
    value = each.field_info.default
    if each.required:
        return "required"
    if value is None or value is False or value in ((), "", inspect.Parameter.empty):
        return ""
    return "yes" if value is True else code(str(value))
