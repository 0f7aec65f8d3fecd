"""A lake on object storage (s3://, az://), by obstore: conditional writes instead of locks.

Names are never used twice, so an object never changes once a manifest names it. The manifest is
replaced only against the version that was read (If-None-Match, then If-Match with the ETag).
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

# Some seconds of an absent network are waited out; a wrong address is told before a minute is over.
RETRIES: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(minutes=1)}
CLIENT: "ClientConfig" = {"connect_timeout": "5s", "timeout": "60s"}
# No object's ETag.
WRONG_TAG = '"00000000000000000000000000000000"'
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
AZURE_ENDPOINTS = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
ENDPOINT = re.compile(r"https?://[A-Za-z0-9._~\-\[\]:]+(/[A-Za-z0-9._~%/\-]*)?")
TRUE = {"1", "true", "yes", "on"}


def open_remote(url: str) -> "RemoteStore":
    """Open a prefix of a bucket, configured by the AWS_* or AZURE_* environment.

    Raises:
        StorageError: that environment makes no sense.
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
    """Refuse an endpoint that is no URL, or empty: the client would panic at the first request."""
    for name in S3_ENDPOINTS if url.startswith("s3:") else AZURE_ENDPOINTS:
        value = os.environ.get(name)
        if value is not None and not ENDPOINT.fullmatch(value):
            raise StorageError(
                f"{name} is no URL of a service: give one such as https://host:9000, or unset it"
            )


def remote_tenants(url: str) -> list[str]:
    """Name the tenants of a lake: each has its reports; other prefixes are not ours."""
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
        """Give the URL of a path."""
        return f"{self._url}/{path}" if path else self._url

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Exclude nobody: an object store has no locks, `swap` finds out who came first."""
        del folder
        yield

    @contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError, OSError) as error:
            raise refusal(error, self.location(path)) from None

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Read an object and its ETag."""
        with self._telling(path):
            try:
                found = self._store.get(path)
                return bytes(found.bytes()), str(found.meta["e_tag"])
            except FileNotFoundError as error:
                _check_bucket(error)
                return None

    def swap(self, path: str, content: bytes, tag: str | None) -> None:
        """Put against the ETag that was read; the first version only where there is none."""
        if tag is None:
            self._prove_conditions(path)
        with self._telling(path):
            try:
                self._store.put(path, content, mode="create" if tag is None else {"e_tag": tag})
            except (AlreadyExistsError, PreconditionError):
                raise Conflict from None
            except FileNotFoundError as error:
                # Azure and S3 answer 404 to If-Match where the object is gone.
                _check_bucket(error)
                raise Conflict from None

    def _prove_conditions(self, path: str) -> None:
        """Make sure, once per dataset, that the service does not just ignore the conditions.

        Raises:
            StorageError: it does: two publishers would overwrite each other's manifest.
        """
        probe = f"_probe/{uuid.uuid4().hex}"
        with self._telling(path):
            self._store.put(probe, b"", mode="create")
            try:
                ignored = self._passes(probe, None) or self._passes(probe, WRONG_TAG)
            finally:
                self._store.delete([probe])
        if ignored:
            raise StorageError(
                f"{self.location()}: this object storage ignores conditional writes (If-Match, "
                "If-None-Match), so publishers could overwrite each other: use one that has them"
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
        """Upload a file, in parts where it is large; it is there whole or not at all."""
        del private
        with self._telling(path):
            self._store.put(path, source)

    def fetch(self, path: str, target: Path) -> Path | None:
        """Download an object piece by piece, for its owner only."""
        with self._telling(path):
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
        """Upload a small file; who may read it is said by the bucket's policy alone."""
        del private
        with self._telling(path):
            self._store.put(path, content)

    def aside(self, dataset: str, why: str, path: str) -> str:
        """Keep them where a reader who still wants them finds them: no name is used twice."""
        del why
        return f"{OLD}/{dataset}/{path}"

    def keep(self, path: str, aside: str) -> None:
        """Copy within the bucket."""
        with self._telling(path):
            try:
                self._store.copy(path, aside)
            except FileNotFoundError as error:
                _check_bucket(error)

    def move(self, path: str, aside: str) -> None:
        """Copy within the bucket, then delete: object storage has no rename."""
        self.keep(path, aside)
        self.delete([path])

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; on S3 many per request."""
        listed = list(paths)
        if not listed:
            return
        with self._telling(listed[0]):
            if isinstance(self._store, S3Store):
                self._store.delete(listed)
                return
            # Azure's batches fail where one of the blobs is gone.
            for path in listed:
                try:
                    self._store.delete(path)
                except FileNotFoundError as error:
                    _check_bucket(error)

    def tidy(self, folder: str) -> None:
        """Do nothing: a prefix without objects is not there."""

    def files(self, folder: str) -> list[StoredFile]:
        """List all objects of a prefix."""
        with self._telling(folder):
            found = self._store.list(folder).collect()
        stored = [StoredFile(meta["path"], meta["size"], meta["last_modified"]) for meta in found]
        return sorted(stored, key=lambda file: file.path)

    def folders(self, folder: str = "") -> list[str]:
        """Name the next parts of the keys below a prefix."""
        with self._telling(folder):
            found = self._store.list_with_delimiter(folder or None)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def exists(self, path: str) -> bool:
        """Ask for an object's head."""
        with self._telling(path):
            try:
                self._store.head(path)
            except FileNotFoundError:
                return False
        return True

    def filesystem(self, readable: frozenset[str]) -> Any:
        """Give a file system that can read exactly these objects, and write none."""
        from connectors.lake.stores.filesystem import Objects, ReadOnlyFiles  # noqa: PLC0415 - slow

        return ReadOnlyFiles(Objects(self._store, self.location, readable))


def _check_bucket(error: FileNotFoundError) -> None:
    """Tell a missing bucket from a missing object: the first is no normal state.

    Raises:
        FileNotFoundError: the bucket is missing; the same error.
    """
    if re.search(r"NoSuchBucket|ContainerNotFound", str(error)):
        raise error
