"""The stack's S3 server: what it confirmed is still there after it was killed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from nxp.processes import free_port, is_answering

BIG = bytes(range(256)) * 50_000


@contextmanager
def serving(path: Path) -> Iterator[S3Store]:
    """Serve a file's objects, and kill the server at the end."""
    port = free_port()
    words = ["-m", "nxp.stack.object_store", "--port", str(port)]
    process = subprocess.Popen([sys.executable, *words, "--file", str(path), "--bucket", "lake"])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not is_answering(f"{url}/lake?list-type=2"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield S3Store(
            "lake",
            endpoint=url,
            access_key_id="a",
            secret_access_key="b",  # noqa: S106 - the server checks none
            region="us-east-1",
            client_options={"allow_http": True},
        )
    finally:
        process.kill()
        process.wait()


def contents(store: S3Store) -> dict[str, bytes]:
    """Return all objects."""
    listed = [item["path"] for page in obstore.list(store) for item in page]
    return {path: bytes(obstore.get(store, path).bytes()) for path in listed}


def test_objects_are_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "objects.db"
    with serving(path) as store:
        obstore.put(store, "a/date=2026-11-20/one two+ü.parquet", b"one")
        obstore.put(store, "a/replaced", b"first")
        obstore.put(store, "a/replaced", b"second")
        obstore.put(store, "big", BIG, chunk_size=5 * 1024 * 1024)
        obstore.put(store, "gone", b"x")
        obstore.put(store, "gone & <gone>", b"x")
        obstore.delete(store, ["gone", "gone & <gone>"])
        obstore.copy(store, "a/replaced", "copied")
        before = contents(store)
    assert before["big"] == BIG
    assert before["copied"] == b"second"
    with serving(path) as store:
        assert contents(store) == before
        assert len(before) == 4
        with pytest.raises(obstore.exceptions.AlreadyExistsError):
            obstore.put(store, "copied", b"again", mode="create")
        obstore.put(store, "a/replaced", b"third")
    with serving(path) as store:
        assert contents(store) == before | {"a/replaced": b"third"}


def test_what_is_kept_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "objects.db"
    with serving(path) as store:
        obstore.put(store, "a", b"a")
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
