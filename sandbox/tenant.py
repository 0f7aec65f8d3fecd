"""The whole tenant: what the routes serve and what tests inspect."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from sandbox.access import Signer, TokenIssuer
from sandbox.actions.deletions import Deletions
from sandbox.actions.executions import Executions
from sandbox.actions.handoffs import Handoff
from sandbox.actions.store import ActionStore
from sandbox.clock import TenantClock
from sandbox.directory import Directory, Spelling
from sandbox.engine import Engine
from sandbox.enrichment.administrator import values_of_others
from sandbox.enrichment.intake import Intake
from sandbox.enrichment.store import EnrichmentStore
from sandbox.estate.past_calls import past_calls
from sandbox.estate.presence import Presence
from sandbox.exports import Exports
from sandbox.faults import Faults
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries
from sandbox.quotas import Quotas
from sandbox.servicenow.instance import ServiceNow


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret that appeared where it does not belong; the secret itself is not kept."""

    origin: str
    path: str
    what: str


class Tenant:
    """One tenant: its data, its credentials, its exports, and a record of its requests."""

    def __init__(self, options: SandboxOptions) -> None:
        """Build the estate; addresses are known once the server listens."""
        self.options = options.resolved()
        _require_writable(options.strftime)
        self.clock = TenantClock(options.now)
        self.queries = SavedQueries(options.queries)
        self.enrichment = EnrichmentStore(options, self.clock)
        self.executions = Executions(options.acting.visibility_delay)
        self.presence = Presence()
        self.engine = Engine(
            self.options,
            self.queries,
            self.clock.start,
            self.enrichment,
            self.executions,
            self.presence,
        )
        self.engine.begin_log(
            lambda: past_calls(self.options.seed, self.options.days, self.clock.start)
        )
        self.gate = TokenIssuer(self.options, self.clock)
        self.signer = Signer(options.url_ttl, self.clock)
        self.exports = Exports(self.options, self.engine, self.clock)
        self.servicenow = ServiceNow(self.options, self.engine, self.clock)
        spelling = Spelling(options.ignore_case, options.ignore_blanks, options.ignore_nfc)
        self.directory = Directory(self.engine, self.clock, spelling)
        self._set_by_others()
        self.intake = Intake(
            self.enrichment,
            self.directory,
            options.enrichment_limit,
            options.enrichment_takes_unknown,
        )
        self.actions = ActionStore(
            options.seed, options.acting, self.clock, self.directory, self.executions
        )
        self.deletions = Deletions(self.options, self.clock, self.directory, self.presence)
        self.handoffs: list[Handoff] = []
        self.faults = Faults(
            options.seed,
            options.faults,
            retry_after=options.fault_retry_after,
            delay=options.fault_delay,
        )
        self.quotas = Quotas(self.options, self.clock)
        self.requests: Counter[str] = Counter()
        self.leaks: list[Leak] = []
        self.api_url = self.login_url = self.results_url = ""
        # Of a database with the HR tables, which only the command writes.
        self.hr_url = ""

    @property
    def client_id(self) -> str:
        """The id of the credential that may do everything."""
        return self.options.client_id

    @property
    def client_secret(self) -> str:
        """The secret of the credential that may do everything."""
        return self.options.client_secret

    @property
    def instance(self) -> str:
        """The name of the instance."""
        return self.options.instance

    @property
    def region(self) -> str:
        """The region it pretends to be in."""
        return self.options.region

    @property
    def time_zone(self) -> str:
        """The zone in which it reads and writes date-times."""
        return self.options.time_zone

    def environment(self) -> dict[str, str]:
        """Return the settings that point a client at this tenant."""
        return {
            "NEXTHINK_INSTANCE": self.instance,
            "NEXTHINK_REGION": self.region,
            "NEXTHINK_CLIENT_ID": self.client_id,
            "NEXTHINK_CLIENT_SECRET": self.client_secret,
            "NEXTHINK_API_URL": self.api_url,
            "NEXTHINK_LOGIN_URL": self.login_url,
            "NEXTHINK_TIME_ZONE": self.time_zone,
        }

    def sources(self) -> dict[str, str]:
        """Return the settings that point a sync's connections `cmdb` and `hr` at its sources."""
        described = self.servicenow.describe()
        names = {"URL": "url", "USER": "user", "PASSWORD": "password"}
        cmdb = {
            f"NXP_SOURCE_CMDB_{name}": described[f"servicenow_{key}"] for name, key in names.items()
        }
        return {**cmdb, **({"NXP_SOURCE_HR_URL": self.hr_url} if self.hr_url else {})}

    def _set_by_others(self) -> None:
        if not self.options.others_share:
            return
        objects = [(kind, uid) for kind in ("device", "user") for uid in self.directory.uids(kind)]
        fields = self.enrichment.fields.values()
        share, seed = self.options.others_share, self.options.seed
        self.enrichment.begin_with(values_of_others(seed, share, objects, fields))

    def describe(self) -> dict[str, str | int]:
        """Return the content of the ready line."""
        return {
            "api_url": self.api_url,
            "login_url": self.login_url,
            "results_url": self.results_url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "instance": self.instance,
            "region": self.region,
            "time_zone": self.time_zone,
            "now": self.clock.now().isoformat(),
            "devices": self.options.devices,
            "days": self.options.days,
            "seed": self.options.seed,
            **self.servicenow.describe(),
            "hr_url": self.hr_url,
        }

    def frame(
        self,
        query_id: str,
        parameters: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> pl.DataFrame:
        """Return the typed result of a saved query at a moment, without a row limit."""
        text = self.queries.text(query_id)
        if text is None:
            raise KeyError(query_id)
        prepared = self.engine.prepare(text, parameters or {}, now or self.clock.now())
        return pl.concat(self.engine.rows(prepared))

    def close(self) -> None:
        """Stop work in progress and remove every file."""
        self.exports.close()


def _require_writable(strftime: str) -> None:
    """Raise if a date-time format is invalid: now rather than in every export."""
    try:
        pl.Series([datetime.fromtimestamp(0, UTC)]).dt.to_string(strftime)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"datetime_format {strftime!r}: {error}") from error
