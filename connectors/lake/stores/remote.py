"""A lake on object storage (s3://, az://), by obstore: conditional writes instead of locks.

Names are never used twice, so an object never changes once a manifest names it. The manifest is
replaced only if it is still the version that was read (If-None-Match, later If-Match with its
ETag).
"""

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PreconditionError,
)
from obstore.store import AzureStore, S3Store, from_url

from connectors.errors import StorageError
from connectors.lake.stores.refusals import refusal
from connectors.lake.stores.store import OLD, Conflict, StoredFile

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

# Waits out a network that is away for seconds; a wrong address fails within a minute.
RETRIES: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(minutes=1)}
CLIENT: "ClientConfig" = {"connect_timeout": "5s", "timeout": "60s"}
# An ETag that no object has.
WRONG_TAG = '"00000000000000000000000000000000"'
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
AZURE_ENDPOINTS = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
ENDPOINT = re.compile(r"https?://[A-Za-z0-9._~\-\[\]:]+(/[A-Za-z0-9._~%/\-]*)?")
TRUE = {"1", "true", "yes", "on"}


def open_remote(url: str) -> "RemoteStore":
    """Return the store at a prefix of a bucket, configured by AWS_* or AZURE_* variables.

    Raises:
        StorageError: those variables make no sense.
    """
    _check_endpoints(url)
    client = CLIENT.copy()
    scheme = url.partition("://")[0].upper()
    if os.environ.get(f"{'AWS' if scheme == 'S3' else 'AZURE'}_ALLOW_HTTP", "").lower() in TRUE:
        client["allow_http"] = True
    try:
        store = from_url(url, client_options=client, retry_config=RETRIES)
    except (BaseError, ValueError) as error:
        raise refusal(error, url) from None
    if not isinstance(store, S3Store | AzureStore):
        raise TypeError("the settings allow these two kinds only")
    return RemoteStore(store, url)


def _check_endpoints(url: str) -> None:
    """Raise if an endpoint is empty or not a URL: the client would panic at the first request."""
    for name in S3_ENDPOINTS if url.startswith("s3:") else AZURE_ENDPOINTS:
        value = os.environ.get(name)
        if value is not None and not ENDPOINT.fullmatch(value):
            raise StorageError(
                f"{name} is not the URL of a service (https://host:9000): correct or unset it"
            )


def remote_tenants(url: str) -> list[str]:
    """Return the tenants of a lake: prefixes with run reports; others are not ours."""
    store = open_remote(url)
    return [name for name in store.folders() if "_runs" in store.folders(name)]


class RemoteStore:
    """One tenant's part of a lake, a prefix of a bucket or container."""

    in_place = False
    sql_root = "nxplake://"

    def __init__(self, store: S3Store | AzureStore, url: str) -> None:
        self._store = store
        self._url = url

    def location(self, path: str = "") -> str:
        """Return the URL of a path."""
        return f"{self._url}/{path}" if path else self._url

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Exclude nobody: an object store has no locks; `swap` finds out who came first."""
        del folder
        yield

    @contextmanager
    def _refusals(self, path: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError, OSError) as error:
            raise refusal(error, self.location(path)) from None

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Return an object's content and its ETag."""
        with self._refusals(path):
            try:
                found = self._store.get(path)
                return bytes(found.bytes()), str(found.meta["e_tag"])
            except FileNotFoundError as error:
                _check_bucket(error)
                return None

    def swap(self, path: str, content: bytes, tag: str | None) -> None:
        """Replace the object with that ETag; without one, create it if there is none yet."""
        if tag is None:
            self._prove_conditions(path)
        with self._refusals(path):
            try:
                self._store.put(path, content, mode="create" if tag is None else {"e_tag": tag})
            except (AlreadyExistsError, PreconditionError):
                raise Conflict from None
            except FileNotFoundError as error:
                # Azure and S3 answer 404 to If-Match if the object does not exist any more.
                _check_bucket(error)
                raise Conflict from None

    def _prove_conditions(self, path: str) -> None:
        """Raise, once per dataset, if the service simply ignores the conditions.

        Raises:
            StorageError: it does, so publishers would overwrite each other's manifest.
        """
        probe = f"_probe/{uuid.uuid4().hex}"
        with self._refusals(path):
            self._store.put(probe, b"", mode="create")
            try:
                ignored = self._passes(probe, None) or self._passes(probe, WRONG_TAG)
            finally:
                self._store.delete([probe])
        if ignored:
            raise StorageError(
                f"{self.location()}: this object storage ignores conditional writes (If-Match, "
                "If-None-Match), so publishers could overwrite each other: use one that supports "
                "them"
            )

    def _passes(self, probe: str, tag: str | None) -> bool:
        try:
            self._store.put(probe, b"", mode="create" if tag is None else {"e_tag": tag})
        except (AlreadyExistsError, PreconditionError):
            return False
        except NotSupportedError:
            return True
        return True

    def bring_in(self, source: Path, path: str, *, private: bool = False) -> None:
        """Upload a file, a large one in parts; it appears completely or not at all."""
        del private
        with self._refusals(path):
            self._store.put(path, source)

    def fetch(self, path: str, target: Path) -> Path | None:
        """Download an object piece by piece, to a file for its owner only."""
        with self._refusals(path):
            try:
                found = self._store.get(path)
            except FileNotFoundError as error:
                _check_bucket(error)
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=0o600)
            with target.open("wb") as file:
                for piece in found.stream():
                    file.write(piece)
        return target

    def write(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Upload a small file; the bucket's policy alone decides who may read it."""
        del private
        with self._refusals(path):
            self._store.put(path, content)

    def old_path(self, dataset: str, why: str, path: str) -> str:
        """Return the path where a reader still finds the file: no name is used twice."""
        del why
        return f"{OLD}/{dataset}/{path}"

    def keep(self, path: str, old_path: str, *, durable: bool = False) -> None:
        """Copy within the bucket."""
        del durable
        with self._refusals(path):
            try:
                self._store.copy(path, old_path)
            except FileNotFoundError as error:
                _check_bucket(error)

    def move(self, path: str, old_path: str) -> None:
        """Copy within the bucket, then delete: object storage has no rename."""
        self.keep(path, old_path)
        self.delete([path])

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects, on S3 many per request."""
        listed = list(paths)
        if not listed:
            return
        with self._refusals(listed[0]):
            if isinstance(self._store, S3Store):
                self._store.delete(listed)
                return
            # An Azure batch fails if one of its blobs does not exist.
            for path in listed:
                try:
                    self._store.delete(path)
                except FileNotFoundError as error:
                    _check_bucket(error)

    def tidy(self, folder: str) -> None:
        """Do nothing: a prefix without objects does not exist."""

    def files(self, folder: str) -> list[StoredFile]:
        """Return all objects below a prefix."""
        with self._refusals(folder):
            found = self._store.list(folder).collect()
        stored = [StoredFile(meta["path"], meta["size"], meta["last_modified"]) for meta in found]
        return sorted(stored, key=lambda file: file.path)

    def folders(self, folder: str = "") -> list[str]:
        """Return the next part of each key below a prefix."""
        with self._refusals(folder):
            found = self._store.list_with_delimiter(folder or None)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def exists(self, path: str) -> bool:
        """Return whether there is such an object."""
        with self._refusals(path):
            try:
                self._store.head(path)
            except FileNotFoundError:
                return False
        return True

    def filesystem(self, readable: frozenset[str] | None) -> Any:
        """Return a read-only file system: of exactly these objects, or of all, by their URLs."""
        from connectors.lake.stores.filesystem import (  # noqa: PLC0415 - fsspec
            NamedFiles,
            ReadableObjects,
            ReadOnlyFiles,
        )

        objects = ReadableObjects(self._store, self.location, readable or frozenset())
        if readable is None:
            return NamedFiles(objects, lambda folder: [each.path for each in self.files(folder)])
        return ReadOnlyFiles(objects)


def _check_bucket(error: FileNotFoundError) -> None:
    """Raise if the bucket, and not only an object, is missing: that is never a normal state.

    Raises:
        FileNotFoundError: the error itself, if it is about the bucket.
    """
    if re.search(r"NoSuchBucket|ContainerNotFound", str(error)):
        raise error
