"""Actions set up for tests: a stand-in tenant, the test's YAML files, runs without Prefect."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from connectors.ledger import Ledger, open_ledger
from connectors.nexthink.acting.intents import LEDGER_IN_REASON
from sandbox.actions.options import ActingOptions
from sandbox.tenant import Tenant
from tasks.act.approval import Approve
from tasks.act.asked import RUN, ActionAsked
from tasks.act.run import ActionRun, choose_action, open_action
from tasks.stories import act as stories
from tests.landing import CATALOG, Place, place

# Everything succeeds at once, unless a test says otherwise.
CERTAIN = ActingOptions(
    execution_time=0,
    visibility_delay=0,
    offline_share=0,
    failure_share=0,
    answer_share=1,
    decline_share=0,
    agree_share=1,
)
SHIPPED = frozenset(file.stem for file in (CATALOG / "actions").glob("*.yaml"))
CLEAN_UP = "#clean_up_disk"
CLEAN_UP_PARAMETERS = {"MinimumAgeDays": "30", "EmptyRecycleBin": "false"}
WINDOWS = """devices during past 30d
| where device.operating_system.platform == windows
| list device.collector.uid, device.name, device.operating_system.platform
"""


@dataclass(frozen=True)
class Acting:
    """A place whose catalogue contains the actions of the test."""

    place: Place

    @property
    def tenant(self) -> Tenant:
        """The stand-in."""
        return self.place.tenant

    def specify(self, name: str, **words: Any) -> None:
        """Write an action's YAML: a remote action that cleans up disks, unless said otherwise."""
        usual: dict[str, Any] = {
            "kind": "remote_action",
            "id": CLEAN_UP,
            "dry_run": False,
            "approval": "none",
            "outcome": {"wait": "0s", "poll": "1s"},
        }
        if words.get("kind", "remote_action") == "remote_action":
            usual["run_as"] = "LOCAL_SYSTEM"
        if words.get("id", CLEAN_UP) == CLEAN_UP:
            usual["parameters"] = CLEAN_UP_PARAMETERS
        made = {"action": name, **usual, **words}
        for file in (Path(self.place.environment["NXP_CATALOG"]) / "actions").glob("*.yaml"):
            # The strictest cool-down of an id counts: a shipped action would share its own.
            if file.stem in SHIPPED and yaml.safe_load(file.read_text("utf-8"))["id"] == made["id"]:
                file.unlink()
        text = yaml.safe_dump(made, sort_keys=False)
        self._write(f"actions/{name}.yaml", text)

    def query(self, name: str, text: str) -> None:
        """Write a saved query."""
        self._write(f"queries/{name}.nql", text)

    def devices(self, query: str = "windows_devices") -> list[str]:
        """Return the collector ids that a saved query finds."""
        return list(self.tenant.frame(f"#{query}")["device.collector.uid"])

    @contextmanager
    def opened(self, name: str) -> Iterator[ActionRun]:
        """Open a run on the tenant's clock, which advances when the run waits."""
        with open_action(choose_action(name), RUN, self.tenant.clock.now, self.sleep) as run:
            yield run

    def run(
        self,
        name: str,
        asked: ActionAsked | None = None,
        plan_id: str | None = None,
        sha256: str | None = None,
        approve: Approve | None = None,
    ) -> dict[str, Any]:
        """Run an action as a plain command does."""
        return stories.act(
            choose_action(name),
            asked or ActionAsked(),
            stories.WhichPlan(plan_id, sha256),
            approve,
            self.tenant.clock.now,
            self.sleep,
        )

    def plan(self, name: str, asked: ActionAsked | None = None) -> dict[str, Any]:
        """Plan an action as a plain command does."""
        clock = self.tenant.clock.now
        return stories.plan(choose_action(name), asked or ActionAsked(), clock, self.sleep)

    def sleep(self, seconds: float) -> None:
        """Move the tenant's clock forward, and leave its exports the moment that they take."""
        self.tenant.clock.advance(timedelta(seconds=seconds))
        time.sleep(0.02)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the ledger."""
        name = f"{self.tenant.instance}.{self.tenant.region}"
        opened = open_ledger(self.place.environment["NXP_LEDGER_URL"], name, self.tenant.clock.now)
        try:
            yield opened
        finally:
            opened.close()

    def done(self, since: datetime | None = None) -> Counter[str]:
        """Count the requests that each device or person was really sent."""
        return Counter(
            execution.device or execution.user or ""
            for request in self.tenant.actions.requests
            if since is None or request.created_at >= since
            for execution in request.executions
        )

    def _write(self, path: str, text: str) -> None:
        file = Path(self.place.environment["NXP_CATALOG"]) / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")


def review(catalog: Path) -> None:
    """Let the shipped actions of a copied catalogue really act, as after a person's review."""
    for file in (catalog / "actions").glob("*.yaml"):
        file.write_text(file.read_text("utf-8").replace("dry_run: true", "dry_run: false"), "utf-8")


@contextmanager
def acting(
    folder: Path, set_variable: Callable[[str, str], None], **options: Any
) -> Iterator[Acting]:
    """Serve a tenant, and point the product at it; the shipped actions are included."""
    shutil.copytree(CATALOG, folder / "catalog")
    review(folder / "catalog")
    # Time is put forward here, and exports take real time: they are ready at once.
    usual = {"acting": CERTAIN, "devices": 30, "days": 3, "export_time": 0.0}
    with place(folder, **{**usual, **options}) as made:
        for name, value in made.environment.items():
            set_variable(name, value)
        ready = Acting(made)
        ready.query("windows_devices", WINDOWS)
        yield ready


def ledgers_in(*reasons: str | None) -> set[str | None]:
    """Return the ids of the ledgers that reasons of executions name, as read-backs find them."""
    named = pl.Series(reasons, dtype=pl.String).str.extract(LEDGER_IN_REASON, 2)
    return set(named.str.to_lowercase())
