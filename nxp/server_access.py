"""What the local Prefect server is started with: the least of our environment, and a secret."""

import re
import secrets
import shlex
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from connectors import private
from connectors.settings.installation import Settings

FILE = "server.auth"
# What its clients send, and what it asks for; the same words, user:password.
SENT, ASKED = "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"
# What a Python program needs to run, to write its files, and to reach webhooks. Everything else,
# such as credentials of tenants, clouds and databases, is not passed on.
NEEDED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|TEMP|TMP|TERM|XDG_\w+"
    r"|PYTHON\w*|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE"
    r"|(HTTP|HTTPS|ALL|NO)_PROXY|DO_NOT_TRACK|PREFECT_(?!API_KEY|API_URL|CLOUD_|PROFILE)\w+"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|PROGRAMDATA|USERPROFILE"
    r"|HOMEDRIVE|HOMEPATH|NUMBER_OF_PROCESSORS|PROCESSOR_\w+",
    re.IGNORECASE,
)


def least(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a server needs."""
    return {name: value for name, value in environ.items() if NEEDED.fullmatch(name)}


def protect(settings: Settings, environ: MutableMapping[str, str]) -> Path | None:
    """Let the server that is started with this environment ask for a secret.

    The operator's own PREFECT_SERVER_API_AUTH_STRING wins; an empty one lets everybody in.

    Returns:
        The file that holds the generated secret, None if the operator has decided.
    """
    if ASKED in environ:
        given = environ.pop(ASKED)
        if given:
            # The server's own services are clients of its API.
            environ.update({ASKED: given, SENT: environ.get(SENT) or given})
        return None
    path = settings.home / FILE
    secret = _kept(path)
    if secret is None:
        secret = f"nxp:{secrets.token_urlsafe(24)}"
        private.write(path, secret)
    environ.update({ASKED: secret, SENT: secret})
    return path


def use(record: Mapping[str, str] | None, environ: MutableMapping[str, str]) -> None:
    """Let commands of this environment use the server of a record, if no other is set.

    A record of an earlier release names no secret: its server asks for none.
    """
    if record is None or environ.get("PREFECT_API_URL") not in {None, "", record["api_url"]}:
        return
    environ["PREFECT_API_URL"] = record["api_url"]
    path = record.get("auth_file")
    secret = _kept(Path(path)) if path else None
    if secret:
        environ[SENT] = secret


def _kept(path: Path) -> str | None:
    """Return the secret in a file, None if there is none; nobody else may read it."""
    try:
        private.close_to_others(path)
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return secret if re.fullmatch(r"[\x21-\x7e]+:[\x21-\x7e]+", secret) else None


def how_to_open(record: Mapping[str, str]) -> list[str]:
    """Return in words how a person, and Prefect's own command, get at the server."""
    address = record["api_url"].removesuffix("/api")
    path = record.get("auth_file")
    if not path:
        return [f"its pages: {address}"]
    exports = f'export PREFECT_API_URL={record["api_url"]} {SENT}="$(cat {shlex.quote(path)})"'
    return [
        f"its pages: {address}; they ask for the text in {path}",
        f"for the command prefect, which nxp does not need: {exports}",
    ]
