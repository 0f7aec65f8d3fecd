"""What a user finds by `--help`: sections, an example for each command, completion."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nxp.cli import build_app, check_words
from nxp.command_table import COMMANDS, COMPLETION, GROUPS
from nxp.commands.completion import COMMENT, Shell, install_completion, places
from nxp.examples import EXAMPLES, NOTES
from nxp.sections import SECTIONS

SCREEN = 24
WIDTH = 80
INDENT = 4
EVERY = [
    *(name for name in COMMANDS if name not in GROUPS),
    *(f"{group} {verb}" for group, verbs in GROUPS.items() for verb in verbs),
    COMPLETION,
]
REDIRECTED = re.compile(r"\s[<>]\s*\S+")
# Within the words of a shell, such as eval "$(nxp stack env)".
INNER = re.compile(r"\$\((nxp [^)]*)\)")


def test_every_command_is_in_exactly_one_section_which_fits_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [name for names in SECTIONS.values() for name in names]
    assert len(placed) == len(set(placed))
    assert {*COMMANDS, COMPLETION} <= set(placed)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    build_app()(["--help"], exit_on_error=False)
    panels = re.split(r"^╭─ (.*?) ─+╮$", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    shown = dict(zip(panels[::2], panels[1::2], strict=True))
    assert list(shown) == [*SECTIONS, "Options"]
    for section, names in SECTIONS.items():
        lines = shown[section].splitlines()
        assert len(lines) < SCREEN
        listed = [match[1] for line in lines if (match := re.match(r"│ (\S+)", line))]
        assert listed == [name for name in names if name in {*COMMANDS, COMPLETION}]


def test_every_command_has_an_example_that_fits_a_line() -> None:
    assert sorted(EXAMPLES) == sorted(EVERY)
    assert NOTES.keys() <= EXAMPLES.keys()
    for lines in EXAMPLES.values():
        assert all(len(line) <= WIDTH - INDENT for line in lines), lines


def test_every_example_is_understood_by_the_command_it_is_shown_for() -> None:
    app = build_app()
    for command, lines in EXAMPLES.items():
        for line in lines:
            inner = INNER.search(line)
            words = shlex.split(REDIRECTED.sub("", inner[1] if inner else line))
            assert words[0] == "nxp"
            assert " ".join(words[1:]).startswith(command), line
            check_words(words[1:])
            called, _, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
            assert called.__module__.startswith("nxp.commands."), line


@pytest.mark.parametrize("given", ["devices", "#devices"])
def test_a_saved_query_is_named_with_or_without_its_mark(given: str) -> None:
    app = build_app()
    for words, name in (
        (["nql", "execute", given], "query_id"),
        (["nql", "export", given], "query_id"),
        (["schema", "learn", "boots", "--query-id", given], "query_id"),
    ):
        _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        assert bound.arguments[name] == "#devices"


def test_every_argument_and_option_says_what_it_means() -> None:
    app = build_app()
    for command in EVERY:
        shown = app
        for word in command.split():
            shown = shown[word]
        for each in shown.assemble_argument_collection(parse_docstring=True):
            assert each.parameter.help or not each.show, (command, each.names)


def test_an_example_is_shown_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    build_app()(["nql", "status", "--help"], exit_on_error=False)
    printed = capsys.readouterr().out.splitlines()
    assert "    nxp nql status EXPORT --url" in printed


def test_completion_is_written_where_each_shell_reads_it(tmp_path: Path) -> None:
    home = {"HOME": "/h"}
    assert places(Shell.BASH, home)[1] == Path("/h/.bashrc")
    assert places(Shell.ZSH, home | {"ZDOTDIR": "/z"})[1] == Path("/z/.zshrc")
    assert places(Shell.FISH, home | {"XDG_CONFIG_HOME": "/c"}) == (
        Path("/c/fish/completions/nxp.fish"),
        None,
    )
    script, _ = places(Shell.BASH, home | {"XDG_DATA_HOME": str(tmp_path)})
    assert script == tmp_path / "bash-completion" / "completions" / "nxp"


@pytest.mark.slow
@pytest.mark.parametrize("shell", [Shell.FISH, Shell.ZSH])
def test_installing_twice_adds_one_line_and_says_what_it_wrote(
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    script, start = places(shell, os.environ)
    if start:
        start.write_text("# mine, without an end of line")
    install_completion(shell=shell)
    assert f"wrote {script}" in capsys.readouterr().err
    assert "export" in script.read_text()
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {script} | ({start} if start else set())
    if start:
        once = start.read_text()
        assert once.startswith(f"# mine, without an end of line\n{COMMENT}\n")
        install_completion(shell=shell)
        assert start.read_text() == once


@pytest.mark.slow
def test_bash_completes_commands_options_and_datasets(tmp_path: Path) -> None:
    environment = os.environ | {
        "HOME": str(tmp_path),
        "NXP_HOME": str(tmp_path / "nxp"),
        "NXP_CATALOG": str(Path(__file__).resolve().parents[3] / "deployments"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("XDG_DATA_HOME", None)

    def run(*words: str) -> str:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    run(sys.executable, "-m", "nxp", "--install-completion", "--shell", "bash")
    tried = """
    . ~/.bashrc
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nxp; echo "${COMPREPLY[*]}"
    """
    for words, found in {
        ("nxp", "exp"): "export",
        ("nxp", "nql", "st"): "status",
        ("nxp", "export", "--dry"): "--dry-run",
        ("nxp", "export", "dev"): "device_performance devices",
        # devices is a command too, and datasets may follow each other.
        ("nxp", "export", "devices", "--dry-run", "cr"): "crashes",
        ("nxp", "add", "boots", "cra"): "crashes",
        ("nxp", "devices", "pl"): "plan",
        ("nxp", "plan", "hr"): "hr_users",
        ("nxp", "ask", "operating_systems", "op"): "",
    }.items():
        assert run("bash", "--norc", "-c", tried, "bash", *words).split() == found.split()
