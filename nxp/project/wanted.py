"""What a new project is to be: the options of `nxp init`, or the answers to its questions."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError

from connectors.errors import UsageError
from connectors.settings.installation import Settings
from connectors.settings.places import URL
from connectors.settings.regions import REGIONS, region_code
from connectors.settings.tenant import TenantSettings

# Where rows may land, besides a folder or the URL of a bucket.
FILES, POSTGRESQL = "files", "postgresql"
_ADDRESS: Final = re.compile(
    r"(?:https?://)?([\w-]+)\.(?:\w+\.)?(\w+)\.nexthink\.cloud\b.*", re.IGNORECASE
)
_DATABASE: Final = re.compile(
    r"(postgres(ql)?|mysql|mariadb|sqlite|duckdb)(\+\w+)?:", re.IGNORECASE
)
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tenant and where its rows land; a field is None as long as nobody has said."""

    instance: str | None = None
    region: str | None = None
    time_zone: str | None = None
    lake: str | None = None

    @property
    def lake_place(self) -> str:
        """The lake as nxp.toml has it; empty where it is in the home, wherever that is."""
        return self.lake if self.lake and self.lake not in {FILES, POSTGRESQL} else ""

    def checked(self) -> "Wanted":
        """Return the same with the region's code.

        Raises:
            UsageError: a value is not valid; the message names the option.
        """
        if self.instance is not None:
            _check_instance(self.instance)
        if self.time_zone is not None:
            _check_tenant("--time-zone", time_zone=self.time_zone)
        if self.lake is not None:
            _check_lake(self.lake)
        return replace(self, region=self.region and _region(self.region))

    def completed(self) -> "Wanted":
        """Return the same with the defaults of what has one.

        Raises:
            UsageError: the tenant is not said; the message names the options.
        """
        missing = [f"--{name}" for name in ("instance", "region") if not getattr(self, name)]
        if missing:
            raise UsageError(
                f"init: {' and '.join(missing)} not given, and there is no terminal to ask in: "
                "nxp init [FOLDER] --instance NAME --region us|eu|pac|meta "
                "[--time-zone ZONE] [--lake files|FOLDER|s3://…|az://…|postgresql] [--yes], "
                "or nxp init [FOLDER] --sandbox"
            )
        return replace(self, time_zone=self.time_zone or "UTC", lake=self.lake or FILES)


def of_address(given: str) -> Wanted:
    """Return the tenant of an address such as https://acme.eu.nexthink.cloud, or of a name.

    Also of acme.eu, which is the tenant's name in lake and ledger.
    """
    if found := _ADDRESS.fullmatch(given.strip()):
        return Wanted(instance=found[1].lower().removesuffix("-login"), region=found[2].lower())
    instance, dot, region = given.strip().rpartition(".")
    if dot and region in REGIONS:
        return Wanted(instance=instance, region=region)
    return Wanted(instance=given.strip().lower() if given.strip().isalnum() else given.strip())


def ask(wanted: Wanted) -> Wanted:
    """Return what is wanted, with everything asked for that is not said yet.

    Raises:
        UsageError: the input ends, or no answer is valid.
    """
    if wanted.instance is None:
        question = "1. Which tenant? Its address in the browser, or the name of its instance"
        told = _asked(question, "", lambda text: of_address(text).checked())
        wanted = replace(wanted, instance=told.instance, region=wanted.region or told.region)
    if wanted.region is None:
        question = f"2. Which region? {', '.join(f'{c} ({n})' for c, n in REGIONS.items())}"
        wanted = _asked(question, "", lambda text: replace(wanted, region=text).checked())
    if wanted.time_zone is None:
        question = "3. In which time zone does it show times? Such as Europe/Zurich"
        wanted = _asked(question, "UTC", lambda text: replace(wanted, time_zone=text).checked())
    if wanted.lake is None:
        question = (
            "4. Where should rows land? files (in this project), a folder, s3://bucket/folder, "
            "az://container/folder, or postgresql (files, and tables in a database)"
        )
        wanted = _asked(question, FILES, lambda text: replace(wanted, lake=text).checked())
    return wanted


def _asked(question: str, default: str, parse: Callable[[str], Wanted]) -> Wanted:
    """Ask until an answer is valid, and return what it says."""
    for _ in range(_TRIES):
        print(f"{question}{f' [{default}]' if default else ''}: ", end="", file=sys.stderr)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
            break
        try:
            return parse(line.strip() or default)
        except UsageError as error:
            # Without the option's name, which nobody typed here.
            print(f"   {str(error).partition(': ')[2] or error}", file=sys.stderr)
    raise UsageError("init: no answer: nothing was written")


def _check_instance(instance: str) -> None:
    if not instance:
        raise UsageError("--instance: it is empty: such as acme, or https://acme.eu.nexthink.cloud")
    if "/" in instance or "." in instance:
        raise UsageError(
            f"--instance {instance!r}: not an address of Nexthink, such as "
            "https://acme.eu.nexthink.cloud"
        )
    _check_tenant("--instance", instance=instance)


def _region(given: str) -> str:
    if code := region_code(given):
        return code
    known = "; ".join(f"{code} or {name}" for code, name in REGIONS.items())
    raise UsageError(f"--region {given!r}: must be {known}")


def _check_tenant(option: str, **given: str) -> None:
    """Raise unless settings of a tenant are valid."""
    values = {"instance": "acme", "region": "eu", "client_id": "x", "client_secret": "x"}
    try:
        TenantSettings.model_validate({**values, **given})
    except ValidationError as error:
        raise UsageError(f"{option} {next(iter(given.values()))!r}: {_why(error)}") from None


def _check_lake(given: str) -> None:
    if _DATABASE.match(given):
        # The URL may hold a password, so it is not repeated.
        raise UsageError(
            "--lake: a database's URL is a secret, which is never written: use --lake postgresql, "
            "and set the variable NXP_DATABASE_URL"
        )
    if given in {FILES, POSTGRESQL}:
        return
    try:
        Settings.model_validate({"lake": given})
    except ValidationError as error:
        shown = "" if URL.match(given) else f" {given!r}"
        raise UsageError(f"--lake{shown}: {_why(error)}") from None


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
    return first.removeprefix("instance: ")
