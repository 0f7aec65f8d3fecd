"""A flow whose server goes away: its story's outcome counts, or the signal that stopped it."""

from collections.abc import Callable

import httpx
import pytest
from prefect.exceptions import TerminationSignal

from connectors.errors import DataRefusedError, NotApprovedError, UnavailableError
from nxp.flow_call import call_flow
from tasks.runs.recorded import cancelled, completed


@pytest.fixture(autouse=True)
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server answers."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")


def away() -> httpx.ConnectError:
    return httpx.ConnectError("All connection attempts failed")


def in_place_of(first: BaseException) -> Callable[[], None]:
    """Return a flow whose engine fails while it records how the story ended."""

    def flow() -> None:
        try:
            raise first  # noqa: TRY301 - likewise
        except BaseException:  # noqa: BLE001 - as Prefect's engine does
            raise away()  # noqa: B904 - likewise

    return flow


def test_a_story_that_has_ended_counts(capsys: pytest.CaptureFixture[str]) -> None:
    def flow() -> dict[str, int]:
        completed({"rows": 3}, "3 rows")
        raise away()

    assert call_flow(flow) == {"rows": 3}
    assert "stopped answering" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ended", "seen"),
    [
        (DataRefusedError("no"), DataRefusedError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(143), SystemExit),
        (TerminationSignal(15), SystemExit),
    ],
)
def test_an_error_or_a_signal_of_the_story_counts(
    ended: BaseException, seen: type[BaseException]
) -> None:
    with pytest.raises(seen) as raised:
        call_flow(in_place_of(ended))
    if isinstance(raised.value, SystemExit):
        assert raised.value.code == 143


def test_a_flow_that_a_person_declined_was_not_approved() -> None:
    def flow() -> None:
        cancelled(NotApprovedError("jane said no"))
        raise away()

    with pytest.raises(NotApprovedError, match="said no"):
        call_flow(flow)


@pytest.mark.parametrize("error", [away(), RuntimeError("Failed to reach API at http://x/")])
def test_without_an_outcome_the_server_is_unavailable(error: Exception) -> None:
    def flow() -> None:
        raise error

    with pytest.raises(UnavailableError, match="stopped answering"):
        call_flow(flow)


def test_a_bug_stays_one() -> None:
    with pytest.raises(KeyError):
        call_flow(lambda: {"a": 1}["b"])
