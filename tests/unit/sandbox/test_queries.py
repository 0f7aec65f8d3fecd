"""Saved queries on disk."""

from pathlib import Path

from sandbox.queries import SavedQueries


def test_each_file_is_a_saved_query_and_changes_are_seen(tmp_path: Path) -> None:
    queries = SavedQueries(tmp_path)
    assert queries.text("#one") is None
    (tmp_path / "one.nql").write_text("devices")
    assert queries.text("#one") == "devices"
    (tmp_path / "one.nql").write_text("devices | limit 5")
    assert queries.text("#one") == "devices | limit 5"
    assert queries.ids() == ["#one"]
    (tmp_path / "one.nql").unlink()
    assert queries.text("#one") is None


def test_a_byte_order_mark_is_not_part_of_the_query(tmp_path: Path) -> None:
    (tmp_path / "two.nql").write_bytes(b"\xef\xbb\xbfusers")
    assert SavedQueries(tmp_path).text("#two") == "users"
