"""What is read from the lake is checked before it is used; nothing outside the lake is touched."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import StorageError, UsageError
from connectors.lake import Lake
from connectors.lake.migration import migrate
from connectors.lake.plans import fetch_plan
from connectors.lake.query import query_lake
from connectors.lake.rejects import reject_files
from tasks.upkeep.maintain import maintain_dataset
from tests.first_layout import write_events
from tests.integration.upkeep.test_maintain import PRESENT, WEEK, events
from tests.lakes import DAY, START, TENANT, Site, counted, publish

UNIT = "20261118T000000Z-20261119T000000Z"
MANIFESTS = ("_manifests/events/_manifest.json", "events/_manifest.json")


def site_of(folder: Path, manifest: str) -> Site:
    """Return a lake whose dataset has the manifest at a path: of one layout or the other."""
    site = Site(str(folder / "lake"), folder / "scratch")
    if manifest == MANIFESTS[0]:
        publish(site.lake, "a")
    else:
        write_events(site)
    return site


def change(site: Site, manifest: str, changes: dict[str, Any], **of_entry: Any) -> None:
    """Change a manifest, and its first entry."""
    read = json.loads(site.get(manifest)) | changes
    read["entries"][0] |= of_entry
    site.put(manifest, json.dumps(read).encode())


def data_of(site: Site) -> list[str]:
    """Return the paths of the lake that are neither locks nor staged."""
    return [path for path in site.paths() if not path.startswith("_staging") and "lock" not in path]


def uses(lake: Lake) -> list[Any]:
    """Return everything that reads a manifest or acts on it."""
    return [
        lambda: counted(lake),
        lambda: publish(lake, "b"),
        lambda: lake.drop_before("events", START + 9 * DAY),
        lambda: maintain_dataset(lake, events("30d"), WEEK, PRESENT + 900 * DAY),
        lambda: migrate(lake, "events"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "../../../x.parquet",
        "../../../x",
        "date=2026-11-18/../../../../x.parquet",
        "date=2026-11-18/../../../../../x.parquet",
        "{outside}",
        "date=2026-11-18\\..\\..\\x.parquet",
        f"date=2026-11-18/{UNIT}.parquet\n",
        f"date=2026-11-18//{UNIT}.parquet",
        f"date=2026-11-18/{UNIT}.parquet\0x",
        "date=2026-11-18/x.parquet",
        f"snapshot={UNIT[:16]}/data.parquet",
        f"devices/date=2026-11-18/{UNIT}.parquet",
        "_manifest.json",
        "",
    ],
)
def test_a_path_that_is_not_one_of_the_dataset_removes_nothing(tmp_path: Path, path: str) -> None:
    manifest = MANIFESTS[len(path) % 2]
    site = site_of(tmp_path, manifest)
    outside = tmp_path / "x.parquet"
    outside.write_bytes(b"keep")
    named = {"path": path.format(outside=outside), "rows": 3, "bytes": 4}
    change(site, manifest, {}, files=[named])
    before = data_of(site)
    for use in uses(site.lake):
        with pytest.raises(StorageError, match=r"cannot read .*_manifest\.json: entry 1 names"):
            use()
    assert outside.read_bytes() == b"keep"
    assert data_of(site) == before


@pytest.mark.parametrize(
    ("changes", "of_entry"),
    [
        ({"dataset": "../x"}, {}),
        ({"dataset": "devices"}, {}),
        ({"mode": "../x"}, {}),
        ({"layout": 3}, {}),
        ({"layout": 0}, {}),
        ({}, {"unit": "../../x"}),
        ({}, {"unit": f"{UNIT}\n"}),
        ({}, {"run_id": "../x"}),
        ({}, {"run_id": "/x"}),
        ({}, {"run_id": "a\\b"}),
        ({}, {"run_id": ""}),
        ({}, {"starts_at": "2026-11-18T00:00:00"}),
        ({}, {"ends_at": "2020-11-18T00:00:00Z"}),
        ({}, {"rows": -1}),
        ({}, {"files": 2 * [{"path": f"date=2026-11-18/{UNIT}.parquet", "rows": 1, "bytes": 1}]}),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_one_clear_error(
    tmp_path: Path, changes: dict[str, Any], of_entry: dict[str, Any]
) -> None:
    manifest = MANIFESTS[len(str(of_entry)) % 2]
    site = site_of(tmp_path, manifest)
    change(site, manifest, changes, **of_entry)
    for use in (uses(site.lake)[0], uses(site.lake)[1]):
        with pytest.raises(StorageError, match=r"_manifest\.json") as caught:
            use()
        assert "x" not in str(caught.value).partition("_manifest.json")[2].split()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe{}", b'\xef\xbb\xbf{"dataset": "events"}', b"[" * 100_000],
)
def test_a_manifest_that_is_none_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    manifest = MANIFESTS[len(content) % 2]
    site = site_of(tmp_path, manifest)
    site.put(manifest, content)
    with pytest.raises(StorageError, match="cannot read"):
        publish(site.lake, "b")


@pytest.mark.parametrize("name", ["..", "../x", "/x", "a/b", "a\\b", "Events", "events\n", ""])
def test_a_name_that_is_not_one_of_a_dataset_opens_nothing(folder_site: Site, name: str) -> None:
    lake = folder_site.lake
    for use in (lake.manifest, lake.data_folder, lambda n: reject_files(lake, n)):
        with pytest.raises(UsageError, match="not the name of a dataset"):
            use(name)


@pytest.mark.parametrize(
    "path",
    ["../../x.parquet", "/x.parquet", "_plans/sync=a/../../../x.parquet", "_old/x.parquet", ""],
)
def test_a_plan_that_the_ledger_names_elsewhere_is_not_read(folder_site: Site, path: str) -> None:
    with pytest.raises(StorageError, match="restore the ledger"):
        fetch_plan(folder_site.lake, path, folder_site.scratch)


def test_a_run_that_the_ledger_names_by_a_path_removes_no_folder(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    lake = Lake(str(tmp_path / "lake"), TENANT)
    for run in (str(kept), "../../kept", "..", ""):
        lake.discard_stage(run)
    assert kept.is_dir()


@pytest.mark.parametrize("link", ["data", "data/events", "data/events/date=2026-11-18", "_old"])
def test_nothing_is_moved_or_deleted_through_a_link_within_the_lake(
    folder_site: Site, tmp_path: Path, link: str
) -> None:
    lake, outside = folder_site.lake, tmp_path / "outside"
    publish(lake, "a")
    place = lake.folder / link
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir()
    place.symlink_to(outside)
    (outside / "x.parquet").write_bytes(b"keep")
    before = sorted(outside.rglob("*"))
    for use in uses(lake)[1:3]:
        with pytest.raises(StorageError, match="is a link"):
            use()
    with suppress(StorageError):
        uses(lake)[3]()
    assert sorted(outside.rglob("*")) == before
    assert query_lake(lake, "SELECT count(*) FROM events")[1] in ([(3,)], [(0,)])


def test_the_folder_of_the_lake_and_of_a_tenant_may_be_links(tmp_path: Path) -> None:
    for name in ("disk", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / TENANT).symlink_to(tmp_path / "other")
    lake = Lake(str(tmp_path / "lake"), TENANT)
    publish(lake, "a")
    publish(lake, "b")
    maintain_dataset(lake, events("30d"), WEEK, PRESENT + 900 * DAY)
    assert counted(lake) == []
