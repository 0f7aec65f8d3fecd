"""How many records a result file has: the API does not say it of an export."""

from pathlib import Path

from connectors.nexthink.results.result_file import ResultFile


def count_records(path: Path) -> tuple[int, int]:
    """Return the records of a result, and how many have more or fewer fields than the header.

    The first number includes the second; neither counts the header.

    Raises:
        DataRefusedError: the text is not CSV.
    """
    file = ResultFile(path)
    whole = ragged = 0
    for batch in file.frames():
        whole += len(batch)
        ragged += len(file.take_ragged())
    ragged += len(file.take_ragged())
    return whole + ragged, ragged
