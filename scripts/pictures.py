"""Make the pictures of the site in docs/pictures, from a stand-in tenant that lands for a week.

Usage: python -m scripts.pictures [--site DIR]. Chromium takes them; the tenant's clock is moved,
so that a week takes a minute. With --site the site stays in that folder, and no picture is taken.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import cyclopts
import polars as pl
import yaml

from connectors.errors import PipelineError
from nxp.library import LIBRARY
from sandbox.clock import TenantClock
from sandbox.options import SandboxOptions
from sandbox.server import running
from tasks.act.asked import ActionAsked
from tasks.act.run import choose_action
from tasks.land.asked import Asked
from tasks.stories import act, sync
from tasks.stories.export import export_dataset
from tasks.stories.site import make_site
from tasks.sync.asked import SyncAsked
from tasks.sync.run import choose_sync

PICTURES: Final = Path(__file__).resolve().parents[1] / "docs" / "pictures"
# A Monday.
BEGUN: Final = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
DAY: Final = timedelta(days=1)
SYNC: Final = "asset_owners"
ACTION: Final = "free_disk_space"
SHOWN: Final = {
    "site-start": "index.html",
    "site": "datasets/crashes.html",
    "site-questions": "questions.html",
}
WIDTH, HEIGHT = 1100, 900


def catalogue(folder: Path, register: Path, datasets: Collection[str] = ()) -> Path:
    """Write a catalogue of the library's files, with a sync from a CSV file; return its folder.

    Args:
        folder: where it is made.
        register: the CSV file that the sync reads: uid, owner.
        datasets: those of the library that it has; none means all.
    """
    made = folder / "catalogue"
    for kind in ("datasets", "queries", "questions", "actions"):
        shutil.copytree(LIBRARY / kind, made / kind)
    for path in (made / "datasets").iterdir():
        if datasets and path.stem not in datasets:
            path.unlink()
    path = made / "actions" / f"{ACTION}.yaml"
    path.write_text(path.read_text("utf-8").replace("dry_run: true", "dry_run: false"), "utf-8")
    field = "device/device/#asset_owner"
    text = {
        "sync": SYNC,
        "domain": "assets",
        "mode": "mirror",
        "sources": {"register": {"kind": "file", "path": str(register)}},
        "sql": "SELECT uid, owner FROM register",
        "identification": {"name": "device/device/uid", "column": "uid"},
        "fields": {field: {"column": "owner"}},
        "guards": {"first": 1000, "shrink": 1, "changes": 1, "clears": 1},
        "verify": {"query_id": f"#{SYNC}_readback"},
    }
    (made / "syncs").mkdir()
    (made / "syncs" / f"{SYNC}.yaml").write_text(yaml.safe_dump(text), "utf-8")
    query = "devices during past 30d\n| list device.uid, device.#asset_owner\n"
    (made / "queries" / f"{SYNC}_readback.nql").write_text(query, "utf-8")
    return made


@contextmanager
def landed(
    folder: Path, days: int = 5, devices: int = 120, datasets: Collection[str] = ()
) -> Iterator[TenantClock]:
    """Land datasets on each of some days, sync and act on them; yield the tenant's clock.

    Meanwhile the variables of this process name the installation.
    """
    before = dict(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    register = folder / "register.csv"
    made = catalogue(folder, register, datasets)
    options = SandboxOptions(
        devices=devices, days=30, now=BEGUN, queries=made / "queries", export_time=0
    )
    with running(options) as tenant:
        os.environ.update(tenant.environment())
        os.environ |= {
            "NXP_HOME": str(folder / "home"),
            "NXP_LAKE": str(folder / "lake"),
            "NXP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
            "NXP_CATALOG": str(made),
        }
        names = sorted(path.stem for path in (made / "datasets").iterdir())
        try:
            for number in range(days):
                if number:
                    tenant.clock.advance(DAY)
                _day(tenant.clock, folder, number, names)
            yield tenant.clock
        finally:
            os.environ.clear()
            os.environ.update(before)


def _day(clock: TenantClock, folder: Path, number: int, datasets: Collection[str]) -> None:
    """Do what a day's runs do; the first one also lands the weeks before."""

    def sleep(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    for name in datasets:
        if not number and name in {"crashes", "boots", "logins"}:
            begin, end = BEGUN - 24 * DAY, BEGUN - 3 * DAY
            period = f"{begin:%Y-%m-%d}", f"{end:%Y-%m-%d}"
            export_dataset(Asked(name, *period), clock.now, sleep)
        # What cannot land shows as it would on a site.
        with suppress(PipelineError):
            export_dataset(Asked(name), clock.now, sleep)
    register = folder / "register.csv"
    from nxp.lake import open_lake  # noqa: PLC0415 - reads the variables

    found = open_lake().polars("devices").select(uid="device_uid").collect().head(60 + 4 * number)
    owner = pl.format("Owner {}", (pl.int_range(pl.len()) + number) // 20)
    found.with_columns(owner=owner).write_csv(register)
    with suppress(PipelineError):
        sync.sync(choose_sync(SYNC), SyncAsked(), None, clock.now, sleep)
    with suppress(PipelineError):
        act.act(choose_action(ACTION), ActionAsked(), clock=clock.now, sleep=sleep)


def picture(page: str, file: Path, profile: Path) -> None:
    """Have Chromium take a picture of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
               "--disable-background-networking", f"--user-data-dir={profile}",
               f"--window-size={WIDTH},{HEIGHT}")  # fmt: skip
    command = [browser, *options, f"--screenshot={file}", page]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own options


def main(*, site: Path | None = None, devices: int = 120) -> None:
    """Make the pictures; or only the site, to look at."""
    with tempfile.TemporaryDirectory() as name, landed(Path(name), devices=devices) as clock:
        out = site or Path(name) / "site"
        print(make_site(out, clock=clock.now))
        if site:
            return
        for file, page in SHOWN.items():
            target = PICTURES / f"{file}.png"
            picture((out / page).as_uri(), target, Path(name) / "profile")
            print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    cyclopts.run(main)
