"""What tests of landing need: a stand-in tenant, an installation in a folder, and comparison."""

import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import yaml

from connectors.catalogue import DatasetSpecification
from connectors.errors import PartlyDoneError
from connectors.lake import Lake
from connectors.nexthink import Compression
from sandbox.clock import TenantClock
from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant
from tasks.land.asked import Asked
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Plan, plan_run
from tasks.stories.export import land_plan

CATALOG = Path(__file__).resolve().parents[1] / "deployments"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


Use = Callable[["Place"], "Place"]


def working_days(now: datetime, count: int) -> list[str]:
    """Return dates from last week's Monday on: for commands, which have the real clock only.

    Working days have rows, and queries still reach them. The tenant needs 20 `days` of events.
    """
    monday = now - timedelta(days=now.weekday() + 7)
    return [f"{monday + timedelta(days=after):%Y-%m-%d}" for after in range(count)]


@dataclass(frozen=True)
class Place:
    """One tenant, and one installation of the product."""

    tenant: Tenant
    folder: Path
    environment: Mapping[str, str]

    @property
    def lake(self) -> Lake:
        """The tenant's part of the lake."""
        return Lake(self.environment["NXP_LAKE"], "sandbox.eu")

    def plan(
        self,
        dataset: str,
        *,
        now: datetime | None = None,
        compression: Compression | None = None,
        specification: DatasetSpecification | None = None,
        **asked: Any,
    ) -> Plan:
        """Plan a run at the tenant's current time, or at an earlier one."""
        plan = plan_run(Asked(dataset, **asked), self.clock(now))
        specification = specification or plan.specification
        if compression:
            specification = specification.model_copy(update={"compression": compression})
        return replace(plan, specification=specification)

    def clock(self, now: datetime | None = None) -> Callable[[], datetime]:
        """Return the tenant's clock, or one that has just started at an instant."""
        return TenantClock(now).now if now else self.tenant.clock.now

    def land(
        self,
        plan: Plan,
        now: datetime | None = None,
        *,
        partly: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> list[UnitOutcome]:
        """Land all units of a plan as a plain run does; raises as it does.

        With `partly`, the test is about an incomplete run, which then does not raise.
        """
        # A run plans each time; a test may land one plan twice.
        clock = self.clock(now)
        plan = replace(plan, planned_at=clock())
        try:
            report: Mapping[str, Any] = land_plan(plan, clock, sleep).plain()
        except PartlyDoneError as error:
            if not partly or error.report is None:
                raise
            report = error.report
        return [UnitOutcome(**outcome) for outcome in report["outcomes"]]

    def landed(self, dataset: str) -> pl.DataFrame:
        """Return exactly the rows of the manifest's files, without the columns of the run."""
        manifest = self.lake.manifest(dataset)
        if manifest is None:
            return pl.DataFrame()
        folder = self.lake.dataset_folder(dataset)
        files = [folder / file.path for entry in manifest.entries for file in entry.files]
        frame = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
        return frame.drop("_nxp_run_id", "_nxp_exported_at")

    def globbed(self, dataset: str) -> pl.DataFrame:
        """Return what a plain glob finds, as for an analyst without the manifest."""
        folder = self.lake.dataset_folder(dataset)
        frame = pl.read_parquet(folder / "*" / "*.parquet", hive_partitioning=False)
        return frame.drop("_nxp_run_id", "_nxp_exported_at")


def catalogue(folder: Path, queries: Mapping[str, str], **datasets: Mapping[str, Any]) -> Path:
    """Copy the shipped catalogue, with more queries and with variants of shipped datasets.

    The mapping of a variant names the shipped dataset it is `like`, and the keys that differ.
    """
    made = folder / "catalog"
    shutil.copytree(CATALOG, made)
    for name, text in queries.items():
        (made / "queries" / f"{name}.nql").write_text(text, "utf-8")
    for name, changes in datasets.items():
        shipped = CATALOG / "datasets" / f"{changes.get('like', name)}.yaml"
        values = yaml.safe_load(shipped.read_text("utf-8")) | {"dataset": name} | changes
        values.pop("like", None)
        (made / "datasets" / f"{name}.yaml").write_text(yaml.safe_dump(values), "utf-8")
    return made


@contextmanager
def place(folder: Path, **options: object) -> Iterator[Place]:
    """Serve a tenant; the caller sets `environment` where the product reads it."""
    settings: dict[str, object] = {
        "queries": (folder / "catalog" if (folder / "catalog").exists() else CATALOG) / "queries",
        "devices": 40,
        "days": 10,
        "now": NOW,
        **options,
    }
    with running(SandboxOptions(**settings)) as tenant:  # type: ignore[arg-type]
        environment = {
            **tenant.environment(),
            "NXP_HOME": str(folder / "home"),
            "NXP_LAKE": str(folder / "lake"),
            "NXP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
            "NXP_CATALOG": str(CATALOG),
        }
        if (folder / "catalog").exists():
            environment["NXP_CATALOG"] = str(folder / "catalog")
        yield Place(tenant, folder, environment)


def truth(
    place: Place, specification: DatasetSpecification, parameters: Mapping[str, str]
) -> pl.DataFrame:
    """Return the rows of the tenant's query under the landed names, without the product's code."""
    frame = place.tenant.frame(specification.query_id, dict(parameters))
    return frame.rename({column.nql: column.name for column in specification.columns})


def foreign_export(place: Place, query_id: str, parameters: Mapping[str, str]) -> pl.DataFrame:
    """Export with plain httpx and Polars' own CSV reader: a client independent of the product."""
    csv = foreign_csv(place, query_id, parameters).encode()
    return pl.read_csv(io.BytesIO(csv), infer_schema=False)


def foreign_csv(place: Place, query_id: str, parameters: Mapping[str, str]) -> str:
    """Return the result of a query as the tenant writes it, by plain httpx."""
    tenant = place.tenant
    # The sandbox has no TLS, and reading certificates takes longer than its answers.
    with httpx.Client(verify=False) as client:  # noqa: S501
        token = client.post(
            f"{tenant.login_url}/oauth2/default/v1/token",
            auth=(tenant.client_id, tenant.client_secret),
            data={"grant_type": "client_credentials", "scope": "service:integration"},
        ).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        started = client.post(
            f"{tenant.api_url}/api/v1/nql/export",
            headers=headers,
            json={"queryId": query_id, "parameters": dict(parameters)},
        ).json()
        status_url = f"{tenant.api_url}/api/v1/nql/status/{started['exportId']}"
        while (status := client.get(status_url, headers=headers).json())["status"] != "COMPLETED":
            if status["status"] == "ERROR":
                raise AssertionError(status)
            time.sleep(0.01)
        return client.get(status["resultsFileUrl"]).content.decode()
