"""Which device a line of a file means, or why none."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from connectors.errors import UsageError
from tasks.act.deletion.inventory import Inventory
from tasks.act.deletion.named import find_named, read_named

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SEEN = datetime(2026, 11, 1, tzinfo=UTC)
ONE, TWO, THREE, FOUR = (f"11111111-2222-3333-4444-{number:012x}" for number in range(4))


def inventory(*rows: tuple[str, str, str | None, datetime | None]) -> Inventory:
    schema = ("uid", "device_uid", "name", "last_seen")
    return Inventory(NOW, pl.DataFrame(rows, schema=schema, orient="row"))


KNOWN = inventory(
    (ONE, "a", "PC-1", SEEN),
    (TWO, "b", "PC-2", SEEN),
    (THREE, "c", "PC-2", None),
    (FOUR, "d", None, SEEN),
    ("no-uuid", "e", "PC-5", SEEN),
)


def found(tmp_path: Path, text: str) -> list[tuple[str | None, str | None]]:
    file = tmp_path / "devices"
    file.write_text(text, "utf-8")
    rows = find_named(read_named(str(file)), KNOWN)
    return list(rows.select("target", "reason").iter_rows())


def test_a_line_means_one_device_by_any_of_its_ids_in_any_case(tmp_path: Path) -> None:
    assert found(tmp_path, f"pc-1\n{TWO.upper()}\n\nB\n{THREE}\nPC-2\nnobody\n{FOUR}\nPC-5") == [
        (ONE, None),
        (TWO, None),
        (TWO, "duplicate"),
        (THREE, "no_last_seen"),
        (None, "ambiguous"),
        (None, "unknown"),
        (FOUR, "no_identity"),
        ("no-uuid", "no_identity"),
    ]


def test_all_ids_of_a_row_have_to_mean_the_same_device(tmp_path: Path) -> None:
    text = f"collectorUid;name\n{ONE};PC-1\n{ONE};PC-2\n{TWO};\n{TWO};gone\n;PC-1\n"
    assert found(tmp_path, text) == [
        (ONE, None),
        (None, "mismatch"),
        (TWO, None),
        (None, "unknown"),
        (ONE, "duplicate"),
    ]
    more = f"device.name,Last seen,collectorUid\nPC-1,2026-11-01,{ONE}\n"
    assert found(tmp_path, more) == [(ONE, None)]
    as_json = f'[{{"device.name": "PC-2", "uid": "b"}}, {{"collectorUid": "{ONE}"}}]'
    assert found(tmp_path, as_json) == [(TWO, None), (ONE, None)]


@pytest.mark.parametrize("text", ["", "\n \n", "owner,name\nx,\n", "name;uid\n;\n", "{", "a\0b"])
def test_a_file_that_names_no_device_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        found(tmp_path, text)


def test_a_device_that_is_listed_twice_is_nobodys(tmp_path: Path) -> None:
    twice = inventory((ONE, "a", "PC-1", SEEN), (ONE, "a", "PC-1", NOW))
    file = tmp_path / "devices"
    file.write_text("PC-1", "utf-8")
    assert find_named(read_named(str(file)), twice)["reason"].to_list() == ["ambiguous"]
