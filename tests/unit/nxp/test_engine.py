"""What keeps a temporary Prefect server from starting is told, and is no bug."""

from pathlib import Path

import pytest

from connectors.errors import StorageError, UnavailableError
from nxp.engine import check_space, server_started


def test_a_disk_without_room_for_a_server_is_told_before_it_is_started(tmp_path: Path) -> None:
    check_space(tmp_path)
    with pytest.raises(StorageError, match=r"NXP_HOME: the disk of .* free some space"):
        check_space(tmp_path, least=2**60)


def test_a_server_that_did_not_start_is_no_bug_and_other_errors_stay_what_they_are() -> None:
    # Prefect's own words; a later version may have others.
    said = "Timed out while attempting to connect to ephemeral Prefect API server."
    with pytest.raises(UnavailableError, match="did not start in time"), server_started():
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="another"), server_started():
        raise RuntimeError("another")
