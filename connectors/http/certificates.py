"""Which servers are trusted: by the system's store, and by SSL_CERT_FILE and SSL_CERT_DIR.

Companies that inspect TLS install their certificate authority in the store of the system. Where a
system has none, as small container images, the authorities of certifi are trusted.
"""

import os
import ssl
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from connectors.errors import ConfigurationError

FILE: Final = "SSL_CERT_FILE"
FOLDER: Final = "SSL_CERT_DIR"
PEM: Final = b"-----BEGIN "


def certificate_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the variables that name certificates, as far as it is seen fast."""
    problems: list[str] = []
    if file := environ.get(FILE):
        try:
            if PEM not in Path(file).read_bytes():
                problems.append(f"{FILE}: the file {file} holds no certificate in PEM format")
        except OSError as fault:
            problems.append(f"{FILE}: cannot read the file {file}: {fault.strerror}")
    for folder in _folders(environ.get(FOLDER)):
        try:
            next(Path(folder).iterdir(), None)
        except OSError as fault:
            problems.append(f"{FOLDER}: cannot read the folder {folder}: {fault.strerror}")
    return problems


def trusted() -> ssl.SSLContext:
    """Return what decides which servers are trusted.

    Raises:
        ConfigurationError: SSL_CERT_FILE or SSL_CERT_DIR names nothing readable, or no certificate.
    """
    return _trusted(os.environ.get(FILE), os.environ.get(FOLDER))


# Reading all certificates takes 0.03 s: once for all clients of a process.
@cache
def _trusted(file: str | None, folders: str | None) -> ssl.SSLContext:
    if problems := certificate_problems({FILE: file or "", FOLDER: folders or ""}):
        raise ConfigurationError("settings", problems=tuple(problems))
    # Only a client of https needs it.
    import truststore  # noqa: PLC0415

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"{FILE}: the file {file} holds no certificate in PEM format"
            ) from None
    for folder in _folders(folders):
        context.load_verify_locations(capath=folder)
    _add_system_store(context)
    return context


def _add_system_store(context: ssl.SSLContext) -> None:
    """Add the system's own store, which OpenSSL ignores where the variables are set."""
    if sys.platform in {"darwin", "win32"}:
        # There truststore asks the system itself.
        return
    paths = ssl.get_default_verify_paths()
    own = {path for path in (paths.openssl_cafile, paths.cafile) if path and Path(path).is_file()}
    for path in own:
        context.load_verify_locations(cafile=path)
    folder = Path(paths.openssl_capath or "")
    has_folder = folder.is_dir() and any(folder.iterdir())
    if has_folder:
        context.load_verify_locations(capath=str(folder))
    if not (own or has_folder):
        import certifi  # noqa: PLC0415 - httpx depends on it

        context.load_verify_locations(cafile=certifi.where())


def _folders(text: str | None) -> list[str]:
    return [each for each in (text or "").split(os.pathsep) if each]
