"""The same lake on Azure Blob Storage, against Azurite if there is one.

    npm install azurite
    PATH=$PWD/node_modules/.bin:$PATH pytest tests/integration/lake/test_azure.py

or set NXP_TEST_AZURITE=http://127.0.0.1:10000 for one that is already running.
"""

import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connectors.errors import HeldError, StorageError, UnavailableError
from connectors.lake import Lake
from connectors.lake.query import query_lake
from connectors.lake.records import write_run
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from tests.lakes import DAY, START, TENANT, counted, publish, publish_snapshot

EXECUTABLE = shutil.which("azurite-blob") or shutil.which("azurite")
HOW = "Azure is not tested: put azurite on PATH (npm install azurite) or set NXP_TEST_AZURITE"
# Azurite documents these for everybody.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the origin of an Azurite, started here unless the environment names one."""
    if named := os.environ.get("NXP_TEST_AZURITE"):
        yield named.rstrip("/")
        return
    if not EXECUTABLE:
        pytest.skip(HOW)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
        "--skipApiVersionCheck",
        "--disableTelemetry",
    ]
    blob_only = shutil.which("azurite-blob") or EXECUTABLE
    server = subprocess.Popen(
        [blob_only, *words, "--silent", "--location", str(tmp_path_factory.mktemp("azurite"))]
    )
    origin = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            httpx.get(origin, trust_env=False)
            break
        except httpx.HTTPError:
            time.sleep(0.2)
    yield origin
    server.terminate()
    server.wait()


@pytest.fixture
def lake(azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Return an empty lake in a container of its own."""
    for name, value in {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": f"{azurite}/{ACCOUNT}",
        "AZURE_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    container = f"lake-{uuid.uuid4().hex[:8]}"
    make_container(azurite, container)
    return Lake(f"az://{container}/lake", TENANT, tmp_path / "scratch")


def make_container(origin: str, name: str) -> None:
    """Create a container by a signed request: obstore only creates objects."""
    import base64  # noqa: PLC0415 - for the signature
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415
    from email.utils import formatdate  # noqa: PLC0415

    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    canonical = "".join(f"{key}:{value}\n" for key, value in sorted(headers.items()))
    resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    text = f"PUT{chr(10) * 12}{canonical}{resource}".encode()
    signature = base64.b64encode(
        hmac.new(base64.b64decode(KEY), text, hashlib.sha256).digest()
    ).decode()
    httpx.put(
        f"{origin}/{ACCOUNT}/{name}?restype=container",
        headers={**headers, "Authorization": f"SharedKey {ACCOUNT}:{signature}"},
        trust_env=False,
    ).raise_for_status()


def test_publishing_replacing_and_reading(lake: Lake) -> None:
    for run in "ab":
        publish(lake, run, end=START + 2 * DAY)
        assert counted(lake) == [run] * 6
    publish(lake, "large", START + 5 * DAY, rows=400_000)
    for day in range(3):
        publish_snapshot(lake, str(day), START + day * DAY)
    assert counted(lake, "devices") == ["2"] * 3
    assert len(counted(lake, "devices_history")) == 9
    assert len(lake.store.files("_old")) == 2
    assert len(lake.store.files("data/events")) == 4


def test_publishers_of_different_windows_at_once_lose_nothing(lake: Lake) -> None:
    threads = [
        threading.Thread(target=publish, args=(lake, f"{day:02}", START + day * DAY))
        for day in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted(lake)) == 24


def test_who_was_overtaken_at_its_own_window_gives_up(lake: Lake) -> None:
    publish(lake, "before")
    said: list[str] = []

    def attempt(run: str) -> None:
        try:
            publish(lake, run)
            said.append(run)
        except HeldError:
            said.append("held")

    threads = [threading.Thread(target=attempt, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4
    assert len(counted(lake)) == 3


def test_dropping_and_the_only_tenant(lake: Lake, tmp_path: Path) -> None:
    publish(lake, "a")
    publish(lake, "b", START + DAY)
    assert lake.drop_before("events", START + DAY) == 3
    assert counted(lake) == ["b"] * 3
    write_run(lake, {"run_id": "r", "started_at": START, "seconds": {}})
    root = lake.location().rpartition("/")[0]
    settings = load_settings({"NXP_LAKE": root, "NXP_HOME": str(tmp_path)})
    assert tenant_name(settings, environ={}) == TENANT


def test_refusals_are_one_line(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publish(lake, "a")
    with pytest.raises(StorageError, match="no such bucket or container"):
        publish(Lake("az://no-such-container/lake", TENANT, tmp_path), "a")
    with monkeypatch.context() as changed:
        changed.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY.replace("Eby8", "Xby8"))
        with pytest.raises(StorageError, match=r"access denied|does not accept") as caught:
            Lake(lake.location().rpartition("/")[0], TENANT, tmp_path).manifest("events")
        assert "Xby8" not in str(caught.value)
    with monkeypatch.context() as changed:
        changed.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:1/{ACCOUNT}")
        with pytest.raises(UnavailableError, match="cannot be reached"):
            Lake("az://any/lake", TENANT, tmp_path).manifest("events")
    with monkeypatch.context() as changed:
        changed.delenv("AZURE_STORAGE_ACCOUNT_NAME")
        with pytest.raises(StorageError, match="no usable credential"):
            Lake("az://any/lake", TENANT, tmp_path)
    with pytest.raises(StorageError):
        query_lake(Lake("az://no-such-container/lake", TENANT, tmp_path), "SELECT 1")
