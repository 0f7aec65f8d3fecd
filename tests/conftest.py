"""What all tests share; no settings of the machine reach them."""

import gc
import os
from pathlib import Path

# Frames of tests are small: sharing them among threads costs more than it saves. Before polars.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
# One certificate that signs nothing: clients would otherwise read all of the system's, 25 ms each
# time, and no server of a test has TLS unless the test brings a certificate.
os.environ.pop("SSL_CERT_DIR", None)
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.forks import forking
from tests.lakes import Site
from tests.landing import Place, Use, place
from tests.object_store import ObjectStore, running_object_store
from tests.sampling import sampled

# Thousands of tests are objects that stay: looking through them again and again finds nothing.
gc.set_threshold(50_000, 20, 50)

# A busy machine must not fail a test: no example has a time limit.
settings.register_profile("unhurried", deadline=None, max_examples=sampled(100))
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the user's own settings."""
    for name in list(os.environ):
        if name.startswith(("NEXTHINK_", "NXP_", "PREFECT_", "AWS_", "AZURE_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def forks() -> Iterator[None]:
    """End the process that forks those of tests."""
    with forking():
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A small tenant and an empty installation, pointed at each other."""
    with place(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture(scope="session")
def object_storage() -> Iterator[ObjectStore]:
    """An S3 service on loopback, one for all tests."""
    with running_object_store() as service:
        yield service


@pytest.fixture
def s3(object_storage: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """The S3 service, and an environment that points to it; its faults are reset afterwards."""
    for name, value in object_storage.environment.items():
        monkeypatch.setenv(name, value)
    plain = {name: getattr(object_storage, name) for name in ("refuse", "swallow")}
    yield object_storage
    for name, value in plain.items():
        setattr(object_storage, name, value)
    object_storage.ignores_conditions = False


@pytest.fixture
def folder_site(tmp_path: Path) -> Site:
    """An empty lake in a folder."""
    return Site(str(tmp_path / "lake"), tmp_path / "scratch")


@pytest.fixture
def bucket_site(s3: ObjectStore, tmp_path: Path) -> Site:
    """An empty lake in a bucket."""
    return Site(f"s3://{s3.bucket()}/lake", tmp_path / "scratch", s3)


@pytest.fixture(params=["folder_site", "bucket_site"])
def site(request: pytest.FixtureRequest) -> Site:
    """An empty lake, in a folder and then in a bucket."""
    made: Site = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Point the product at a tenant created by the test."""

    def point(made: Place) -> Place:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        return made

    return point
