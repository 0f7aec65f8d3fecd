"""Files of targets: the encodings that are read, and what is refused."""

from pathlib import Path

import pytest

from connectors.errors import UsageError
from tasks.act.target_files import LONGEST_NAME, read_lines, read_pairs

TEXT = "PC-1\r\n\r\n PC-2 , S-1-5-21-1\r\nPC-3\tÄnne\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_what_editors_and_windows_tools_write(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "targets.txt"
    file.write_bytes(TEXT.encode(encoding))
    assert read_lines(file) == ["PC-1", "", " PC-2 , S-1-5-21-1", "PC-3\tÄnne"]
    assert read_pairs(file) == [("PC-1", ""), ("PC-2", "S-1-5-21-1"), ("PC-3", "Änne")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\x00", "is not text"),
        (b"PC-\xe4", "is not text"),
        (b"\n , \n", "names no target"),
        (b"a" * (LONGEST_NAME + 1), "is not a list of targets"),
        (b"PC\x00", "is not a list of targets"),
    ],
)
def test_refuses_other_files(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "targets.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        read_pairs(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_lines(tmp_path / "nowhere")
