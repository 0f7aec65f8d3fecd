"""`nxp --install-completion`: let the user's shell complete commands, options and datasets."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors import private
from connectors.errors import UsageError
from nxp.command_table import COMMANDS, GROUPS
from nxp.output import say

COMMENT: Final = "# Completion of nxp"
# Of the scripts that cyclopts generates.
_ANY_IN_FISH: Final = 'if string match -q -- "* $word *" " $all_commands "'
_NEXT_IN_FISH: Final = 'if contains -- (string trim -- "$subcommands $word") $all_paths'
_FIRST_WORD_ONLY: Final = re.compile(
    r"(case \$\{positional_count\} in\n\s+)0\)"
    r"((?:(?!\besac\b)[^\0])*?__complete(?:(?!\besac\b)[^\0])*?;;)"
    r"\n\s+\*\)\n\s+COMPREPLY=\(\)\n\s+;;(\n\s+esac)"
)
_ANY_COMMAND: Final = 'if [[ " $all_commands " =~ " $word " ]]; then'
_NEXT_COMMAND: Final = 'if [[ "$all_paths" == *"|${cmd_path[*]:+${cmd_path[*]} }$word|"* ]]; then'


class Shell(StrEnum):
    """The shells that can be taught to complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def install_completion(
    *,
    shell: Annotated[
        Shell | None, Parameter(help="The shell; by default the one that runs this command.")
    ] = None,
) -> None:
    """Write the completion where the shell reads it, and say which files were written.

    Bash and zsh read it by a line in .bashrc or .zshrc, which is added once. Run it again after an
    upgrade, for new commands and options.
    """
    chosen = shell or _running()
    # Imports the command line's other commands, which takes a second.
    from nxp.cli import build_app  # noqa: PLC0415 - this is one of its commands

    text = build_app().generate_completion(prog_name="nxp", shell=chosen.value)
    text = every_word(chosen, text)
    script, start = places(chosen, os.environ)
    script.parent.mkdir(parents=True, exist_ok=True)
    private.write(script, text)
    say(f"wrote {script}")
    if start and _add(start, _line(chosen, script)):
        say(f"added a line to {start}")
    say(f"open a new {chosen} to use it")


def every_word(shell: Shell, script: str) -> str:
    """Return a shell's script so that all words after a command are completed, as zsh's does.

    As they are generated, those of bash and fish take a dataset with the name of a command, such as
    devices, for one; and that of bash completes the first word only.
    """
    commands = [*COMMANDS, *(f"{group} {verb}" for group in GROUPS for verb in GROUPS[group])]
    if shell is Shell.FISH:
        listed = " ".join(f"'{command}'" for command in commands)
        begin = "    set -l skip_next 0\n"
        script = script.replace(begin, f"    set -l all_paths {listed}\n{begin}", 1)
        return script.replace(_ANY_IN_FISH, _NEXT_IN_FISH, 1)
    if shell is Shell.ZSH:
        return script
    # What is behind __complete knows which words a command takes.
    script = _FIRST_WORD_ONLY.sub(r"\1*)\2\3", script)
    paths = f"  local all_paths='|{'|'.join(commands)}|'\n"
    begin = "  # Detect command path"
    return script.replace(begin, f"{paths}\n{begin}", 1).replace(_ANY_COMMAND, _NEXT_COMMAND, 1)


def places(shell: Shell, environ: Mapping[str, str]) -> tuple[Path, Path | None]:
    """Return where a shell's completion is written, and the file of its start that names it."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    match shell:
        case Shell.BASH:
            # Also read without a line in .bashrc, where the package bash-completion is installed.
            own = environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion"
            return Path(own) / "completions" / "nxp", home / ".bashrc"
        case Shell.ZSH:
            start = Path(environ.get("ZDOTDIR") or home) / ".zshrc"
            return data / "zsh" / "site-functions" / "_cyclopts_nxp", start
        case Shell.FISH:
            configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
            return configuration / "fish" / "completions" / "nxp.fish", None


def _running() -> Shell:
    """Return the shell that runs this command."""
    from cyclopts.completion.detect import ShellDetectionError, detect_shell  # noqa: PLC0415 - only to install

    try:
        return Shell(detect_shell())
    except (ShellDetectionError, ValueError):
        names = ", ".join(Shell)
        raise UsageError(f"--install-completion: name your shell by --shell: {names}") from None


def _line(shell: Shell, script: Path) -> str:
    """Return the line of the shell's start that reads the script."""
    quoted = "'" + str(script).replace("'", "'\\''") + "'"
    if shell is Shell.BASH:
        return f"[ -f {quoted} ] && . {quoted}"
    # After any compinit of the user's own; without one, there is no compdef yet.
    ready = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }"
    return f"[ -f {quoted} ] && {{ {ready}; . {quoted} && compdef _cyclopts_nxp nxp; }}"


def _add(start: Path, line: str) -> bool:
    """Add a line to a file of a shell's start, unless it is there; return whether it was added."""
    content = start.read_bytes() if start.exists() else b""
    if line.encode() in content.splitlines():
        return False
    gap = b"\n" if content and not content.endswith(b"\n") else b""
    with start.open("ab") as file:
        file.write(gap + f"{COMMENT}\n{line}\n".encode())
    return True
