"""From what NQL shows to what is kept: headers, names of numbers, moments, no value."""

from pathlib import Path

import polars as pl
import pytest

from connectors.errors import DataRefusedError
from connectors.nexthink.fields import FIELDS, SHOWN_AS, nql_name
from connectors.nexthink.results.result_file import ResultFile
from sandbox.enrichment.fields import BROKERS, DESKTOP_TYPES
from tasks.sync.objects import field_of
from tasks.sync.readback import KEY, columns_of, kept_as_compared, read_back, shown_as_kept

NAME = "device/device/name"
COST = "device/device/#cost_center"
POOL = "device/device/virtualization/desktop_pool"
BROKER = "device/device/virtualization/desktop_broker"
TYPE = "device/device/virtualization/type"
UPDATED = "device/device/virtualization/last_update"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (COST, "device.#cost_center"),
        (POOL, "device.virtualization.desktop_pool"),
        ("user/user/ad/department", "user.ad.department"),
        ("user/user/organization/#unit", "user.organization.#unit"),
        ("user/user/upn", "user.upn"),
        ("binary/binary/#risk", "binary.#risk"),
    ],
)
def test_headers_follow_from_names(name: str, header: str) -> None:
    assert nql_name(name) == header


def shown(name: str, *values: str | None, zone: str = "UTC") -> list[str]:
    return shown_as_kept(pl.Series(values, dtype=pl.String), field_of(name), zone).to_list()


def compared(name: str, *values: str | None) -> list[str | None]:
    return kept_as_compared(pl.Series(values, dtype=pl.String), field_of(name)).to_list()


def test_numbers_are_shown_by_name() -> None:
    assert shown(BROKER, "windows_365", "Windows 365", "4", None, "other") == [
        "4",
        "4",
        "4",
        "",
        "other",
    ]
    assert shown(TYPE, "personal", None) == ["2", ""]
    # The number that empties a field reads back as no value.
    assert compared(BROKER, "0", "", "4") == ["", "", "4"]
    assert compared(TYPE, "1") == ["1"]


def test_the_names_are_the_tenants() -> None:
    assert SHOWN_AS[BROKER] == tuple(name or "" for name in BROKERS)
    assert SHOWN_AS[TYPE] == ("", *DESKTOP_TYPES.values())
    assert SHOWN_AS.keys() == {name for name, field in FIELDS.items() if field.numbers}


def test_moments_are_compared_to_the_second_in_utc() -> None:
    kept = compared(UPDATED, "2026-10-03T15:00:00.123Z", "2026-10-03", "")
    assert kept == ["2026-10-03T15:00:00Z", "2026-10-03T00:00:00Z", ""]
    assert shown(UPDATED, "2026-10-03 17:00:00", zone="Europe/Zurich") == kept[:1]
    assert shown(UPDATED, "2026-10-03T15:00:00.123Z", None, "what") == [kept[0], "", "what"]


def test_texts_are_as_they_are() -> None:
    assert shown(COST, " A b ", None, "") == [" A b ", "", ""]


def test_a_result_is_read_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("Device.Name,device.#Cost_Center,other\n PC-1 ,CC,x\nPC-2,,y\n", "utf-8")
    file = ResultFile(path)
    columns = columns_of(file.header, NAME, [COST], "#q")
    (batch,) = read_back(file, columns, "UTC")
    assert batch.rows() == [("pc-1", "CC"), ("pc-2", "")]
    assert batch.columns == [KEY, COST]


def test_columns_that_are_not_listed_are_named() -> None:
    with pytest.raises(DataRefusedError, match=r"#q does not list device\.name, device\.#cost"):
        columns_of(["device.uid"], NAME, [COST], "#q")


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("device.name,device.#cost_center\nPC-1,CC\nMARK\n", "utf-8")
    file = ResultFile(path)
    with pytest.raises(DataRefusedError, match="damaged rows") as raised:
        list(read_back(file, columns_of(file.header, NAME, [COST], "#q"), "UTC"))
    assert "MARK" not in str(raised.value)
