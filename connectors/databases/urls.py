"""URLs of databases, and the drivers they need."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connectors.errors import ConfigurationError
from connectors.extras import EXTRAS, install, is_installed, require

# The package that brings a module, where their names differ.
PACKAGES: Final = {
    "MySQLdb": "mysqlclient",
    "cx_Oracle": "cx-oracle",
    "mariadb": "mariadb",
    "mysql": "mysql-connector-python",
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
}
# The package that brings a dialect which SQLAlchemy itself does not have.
DIALECTS: Final = {
    "bigquery": "sqlalchemy-bigquery",
    "databricks": "databricks-sqlalchemy",
    "db2": "ibm_db_sa",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "teradatasql": "teradatasqlalchemy",
    "trino": "trino",
}
LANDING: Final = "NXP_DATABASE_URL"
# Databases that rows land in without a driver of SQLAlchemy, and the modules that need installing.
BUILT_IN: Final = {
    "duckdb": (),
    "postgresql": ("adbc_driver_postgresql", "psycopg"),
    "sqlite": ("adbc_driver_sqlite",),
}
POSTGRESQL: Final = "postgresql+psycopg"
EXAMPLES: Final = "sqlite:////path/file.db or postgresql://user:password@host/database"


def database_url(text: str, variable: str) -> URL:
    """Return a URL, parsed; PostgreSQL's with the driver that is installed if it names none.

    Raises:
        ConfigurationError: not a URL.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{variable} is not a database URL: it is not a SQLAlchemy URL like {EXAMPLES}; "
            "special characters in user and password are percent-encoded"
        ) from None
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername=POSTGRESQL)
    # The form that some clouds hand out.
    return url.set(drivername=url.drivername.replace("postgres+", "postgresql+", 1))


def landing_url(text: str) -> URL:
    """Return the URL of the database that datasets land in, with a driver where one is needed.

    Raises:
        ConfigurationError: not a URL.
    """
    url = database_url(text, LANDING)
    backend, named, driver = url.drivername.partition("+")
    if backend not in {"mysql", "mariadb"}:
        return url
    if not named:
        driver = "mysqldb" if find_spec("MySQLdb") else "pymysql"
    # SQLAlchemy itself finds out whether the server is a MariaDB.
    return url.set(drivername=f"mysql+{driver}")


def require_drivers(url: URL) -> None:
    """Raise unless rows can land in a database, as far as our own extras go.

    Raises:
        ConfigurationError: an extra is not installed.
    """
    backend = url.get_backend_name()
    for module in BUILT_IN.get(backend, ()):
        require(module, f"{LANDING}: landing in {backend}")


def driver_problem(text: str) -> str | None:
    """Return why the driver of the database that datasets land in cannot be loaded, if so."""
    try:
        url = landing_url(text)
        require_drivers(url)
        if url.get_backend_name() not in BUILT_IN:
            with driver_errors(url, LANDING):
                url.get_dialect().import_dbapi()
    except ConfigurationError as error:
        return str(error)
    return None


@contextmanager
def driver_errors(url: URL, variable: str) -> Iterator[None]:
    """Turn the errors of creating an engine into one line of ours.

    Raises:
        ConfigurationError: the driver is unknown, not installed, or cannot be used here.
    """
    try:
        if url.get_dialect().is_async:
            raise ConfigurationError(
                f"{variable}: {url.drivername} is an asynchronous driver: name another one"
            )
        yield
    except NoSuchModuleError:
        package = DIALECTS.get(url.get_backend_name())
        remedy = "install the package that adds it to SQLAlchemy"
        raise ConfigurationError(
            f"{variable}: a driver for {url.drivername} is not installed: correct the name, or "
            + (f"pip install {package}" if package else remedy)
        ) from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(_missing(url, variable, error.name or "")) from None
    except (ArgumentError, TypeError, ValueError):
        raise ConfigurationError(
            f"{variable}: the driver of {url.drivername} does not take an option of the URL"
        ) from None


def _missing(url: URL, variable: str, module: str) -> str:
    top = module.partition(".")[0]
    package = PACKAGES.get(top, top)
    remedy = install(EXTRAS[top]) if top in EXTRAS else f"pip install {package}"
    if url.get_backend_name() == "postgresql" and top != "psycopg" and is_installed("psycopg"):
        remedy += ", or write postgresql://…, whose driver is installed"
    return (
        f"{variable}: {url.drivername} needs the Python package {package}, which is not installed: "
        f"{remedy}"
    )
