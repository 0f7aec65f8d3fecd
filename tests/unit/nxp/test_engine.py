"""How a command decides between a plain run and a flow, and what keeps a server from starting."""

import logging
import shutil
from pathlib import Path

import pytest

from connectors.errors import ConfigurationError, StorageError, UnavailableError
from connectors.logs import UNREPORTED
from connectors.settings.installation import Settings, load_settings
from nxp.engine import (
    SERVER_RECORD,
    check_space,
    keep_logs_off,
    require_prefect,
    run_here,
    uses_prefect,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation that knows no server."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return load_settings({"NXP_HOME": str(tmp_path)})


def test_a_disk_without_room_for_a_server_is_reported_before_it_starts(tmp_path: Path) -> None:
    check_space(tmp_path)
    with pytest.raises(StorageError, match=r"NXP_HOME: the disk of .* free some space"):
        check_space(tmp_path, least=2**60)


def test_a_plain_run_shows_warnings_that_no_report_has_and_no_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NXP_LOG", raising=False)
    log = logging.getLogger("connectors.any")

    def story() -> None:
        log.warning("in the %s", "report")
        log.warning("files come from %s", "elsewhere", extra=UNREPORTED)

    for _ in range(2):
        keep_logs_off()
        story()
    assert capsys.readouterr().err.splitlines().count("warning: files come from elsewhere") == 2
    monkeypatch.setenv("NXP_LOG", "json")
    story()
    said = capsys.readouterr()
    assert "warning: files" not in said.err + said.out
    assert "in the report" not in said.err


@pytest.mark.parametrize(
    ("url", "variable", "option", "flow"),
    [
        (None, None, None, False),
        (None, "0", None, False),
        (None, None, False, False),
        ("http://127.0.0.1:1/api", None, None, True),
        ("http://127.0.0.1:1/api", "0", None, False),
        ("http://127.0.0.1:1/api", "0", True, True),
        ("http://127.0.0.1:1/api", "1", False, False),
        ("http://127.0.0.1:1/api", "yes", None, True),
    ],
)
def test_a_command_runs_as_a_flow_where_a_server_is_known_unless_told_otherwise(
    url: str | None,
    variable: str | None,
    option: bool | None,
    flow: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if url:
        monkeypatch.setenv("PREFECT_API_URL", url)
    environ = {"NXP_HOME": str(tmp_path)} | ({"NXP_PREFECT": variable} if variable else {})
    assert uses_prefect(load_settings(environ), option) is flow


@pytest.mark.parametrize("option", [True, None])
def test_a_flow_that_is_asked_for_without_a_server_is_an_error_and_no_plain_run(
    option: bool | None, tmp_path: Path, settings: Settings
) -> None:
    if option is None:
        settings = load_settings({"NXP_HOME": str(tmp_path), "NXP_PREFECT": "1"})
    with pytest.raises(UnavailableError, match="no Prefect server is known: start one"):
        run_here(settings, option, lambda: pytest.fail("ran plain"), lambda: pytest.fail("ran"))


def test_what_needs_prefect_says_so_in_one_line(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match=r"^--approve needs Prefect: start a server"):
        require_prefect(settings, None, "--approve")


def test_a_record_of_a_server_whose_process_is_gone_is_no_server(settings: Settings) -> None:
    record = '{"api_url": "http://127.0.0.1:1/api", "pid": "999999", "started": "1.0"}'
    (settings.home / SERVER_RECORD).write_text(record, "utf-8")
    assert not uses_prefect(settings, None)


def test_a_variable_that_is_neither_yes_nor_no_is_a_problem_of_the_settings() -> None:
    with pytest.raises(ConfigurationError, match="NXP_PREFECT"):
        load_settings({"NXP_PREFECT": "perhaps"})


def test_the_hint_about_prefect_is_kept_for_the_end_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    from nxp.output import say_left  # noqa: PLC0415 - what `run_here` keeps

    # `nxp site`, for example, has not needed the folder.
    shutil.rmtree(settings.home, ignore_errors=True)
    for _ in range(2):
        assert run_here(settings, None, lambda: 1, lambda: 2) == 1
    assert capsys.readouterr().err == ""
    say_left()
    assert capsys.readouterr().err.count("nxp server start") == 1
