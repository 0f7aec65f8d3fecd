"""Every setting there is: its variable, its key in nxp.toml, its meaning and its default.

Those of the models are read from the models; those that are read elsewhere are listed here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic.fields import FieldInfo

from connectors.limits import Limits
from connectors.settings.installation import Settings
from connectors.settings.project_keys import SECRETS, TENANT_KEYS
from connectors.settings.tenant import BLOCK, TenantSettings


class SettingGroup(StrEnum):
    """What settings are about; the values are headings."""

    TENANT = "The tenant"
    PLACES = "Places"
    RUNS = "Runs"
    CEILINGS = "Ceilings of what other machines may send"
    SOURCES = "Sources of syncs"
    PROCESS = "Only as variables"
    OTHERS = "Variables of others that are read"


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """A setting.

    Attributes:
        variable: its variable; NAME stands for the name of a connection.
        key: its key in nxp.toml, "" if it has none.
        meaning: in a sentence or two.
        value: the default as the model has it, None without one.
        secret: whether its value is never shown.
        has_file: whether the variable may be given as NAME_FILE.
    """

    variable: str
    key: str
    meaning: str
    group: SettingGroup
    value: object = None
    secret: bool = False
    has_file: bool = True


_PLACES: Final = frozenset({"home", "lake", "ledger_url", "database_url", "catalog"})
_BLOCK: Final = SettingDescription(
    "NEXTHINK_BLOCK",
    BLOCK,
    "The name of a block on the Prefect server that holds the credential.",
    SettingGroup.TENANT,
)
_SOURCE: Final = "of the connection NAME, which a sync's YAML names."
_ELSEWHERE: Final = (
    SettingDescription(
        "NXP_SOURCE_NAME_URL",
        "",
        f"The address {_SOURCE} It may hold a password.",
        SettingGroup.SOURCES,
        secret=True,
    ),
    SettingDescription("NXP_SOURCE_NAME_USER", "", f"The account {_SOURCE}", SettingGroup.SOURCES),
    SettingDescription(
        "NXP_SOURCE_NAME_PASSWORD", "", f"The password {_SOURCE}", SettingGroup.SOURCES, secret=True
    ),
    SettingDescription(
        "NXP_SOURCE_NAME_CLIENT_ID", "", f"The OAuth client {_SOURCE}", SettingGroup.SOURCES
    ),
    SettingDescription(
        "NXP_SOURCE_NAME_CLIENT_SECRET",
        "",
        f"The OAuth client's secret {_SOURCE}",
        SettingGroup.SOURCES,
        secret=True,
    ),
    SettingDescription(
        "NXP_PROJECT",
        "",
        "The project's folder, where the current folder is not in it; nxp worker sets it.",
        SettingGroup.PROCESS,
        has_file=False,
    ),
    SettingDescription(
        "NXP_SUBJECT",
        "",
        "Who asks for an action, as a gateway knows it; the journal keeps it as claimed.",
        SettingGroup.PROCESS,
    ),
    SettingDescription(
        "NXP_DEBUG",
        "",
        "1 shows the traceback of a bug, which may hold data.",
        SettingGroup.PROCESS,
        has_file=False,
    ),
    SettingDescription(
        "NXP_STACK_PART",
        "",
        "Set by nxp stack, by which it finds its processes; never set it yourself.",
        SettingGroup.PROCESS,
        has_file=False,
    ),
    *(
        SettingDescription(name, "", meaning, SettingGroup.OTHERS, secret=secret, has_file=False)
        for name, meaning, secret in (
            ("PREFECT_API_URL", "The Prefect server on which commands run as flows.", False),
            ("PREFECT_API_AUTH_STRING", "Its user and password.", True),
            ("PREFECT_API_KEY", "Its key, if it asks for one.", True),
            (
                "PREFECT_WORKER_QUERY_SECONDS",
                "How often a worker asks for runs; nxp worker asks more often by default.",
                False,
            ),
            ("SSL_CERT_FILE", "Certificates that are trusted in addition, in PEM format.", False),
            ("SSL_CERT_DIR", "A folder of such certificates.", False),
            ("HTTPS_PROXY", "The proxy; NO_PROXY lists hosts that need none.", True),
            ("AWS_ACCESS_KEY_ID", "The account of a lake or source in S3.", False),
            ("AWS_SECRET_ACCESS_KEY", "Its secret.", True),
            ("AWS_REGION", "The region of the bucket.", False),
            ("AWS_ENDPOINT_URL", "The address of an S3-compatible service.", False),
            ("AZURE_STORAGE_ACCOUNT_NAME", "The account of a lake in Azure.", False),
            ("AZURE_STORAGE_ACCOUNT_KEY", "Its secret.", True),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "The collector that metrics are sent to; without it there are none.",
                False,
            ),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "The same, for metrics only.", False),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "How long it may take to answer.", False),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "The same, for metrics only.", False),
            ("OTEL_SERVICE_NAME", "The name of the service in metrics.", False),
        )
    ),
)


def all_settings() -> list[SettingDescription]:
    """Return every setting, in the order of groups."""
    found = [*_of_tenants(), *_of_installation(), *_of_ceilings(), *_ELSEWHERE]
    order = list(SettingGroup)
    return sorted(found, key=lambda each: order.index(each.group))


def settings_of(group: SettingGroup) -> list[SettingDescription]:
    """Return the settings of one group."""
    return [each for each in all_settings() if each.group is group]


def is_known(variable: str) -> bool:
    """Return whether a variable sets something, also as NAME_FILE, or for any connection."""
    name = variable.removesuffix("_FILE")
    if variable.startswith("NXP_SOURCE_"):
        return True
    return any(
        each.variable == variable or (each.has_file and each.variable == name)
        for each in all_settings()
    )


def _of_tenants() -> Iterator[SettingDescription]:
    for field, info in TenantSettings.model_fields.items():
        if field in TENANT_KEYS:
            yield _described(f"NEXTHINK_{field.upper()}", field, info, SettingGroup.TENANT)
    yield _BLOCK


def _of_installation() -> Iterator[SettingDescription]:
    for field, info in Settings.model_fields.items():
        group = SettingGroup.PLACES if field in _PLACES else SettingGroup.RUNS
        yield _described(f"NXP_{field.upper()}", field, info, group)


def _of_ceilings() -> Iterator[SettingDescription]:
    for field, info in Limits.model_fields.items():
        yield _described(f"NXP_{field.upper()}", field, info, SettingGroup.CEILINGS)


def _described(
    variable: str, field: str, info: FieldInfo, group: SettingGroup
) -> SettingDescription:
    default: Any = None if info.is_required() or info.default_factory else info.default
    is_plain = isinstance(default, str | int | float) and default != ""
    return SettingDescription(
        variable,
        field,
        info.description or "",
        group,
        value=default if is_plain else None,
        secret=field in SECRETS,
    )
