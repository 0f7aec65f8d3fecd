"""The floor of a landing: the CPU that each step takes by itself, one after the other.

Usage: python -m benchmarks.landing.stages QUERY URL FOLDER, in an installation that
benchmarks.landing.engine has prepared. Prints the CPU seconds of each step as JSON. No schedule of
the same steps on as many cores can be quicker than their sum divided by the cores.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.landing.engine import DATASET, DAY, NOW, clock, point_to
from connectors.lake.stage import Stage
from connectors.nexthink import Compression, CsvStream
from connectors.result_file import ResultFile
from nxp.__main__ import start_lightly
from tasks.conform import Conformer, match_header
from tasks.plan import Asked, plan_run
from tasks.run import Run, open_run


class Kept(CsvStream):
    """Takes what a download writes, and hands it to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """Keep the text."""
        self.size += len(piece)
        self.pieces.append(piece)

    def finish(self) -> None:
        """Accept any end."""


class Text:
    """Text in memory as a source of a result file."""

    def __init__(self, text: bytes) -> None:
        self._text = memoryview(text)

    def read(self, size: int) -> bytes:
        """Give the next bytes."""
        part, self._text = self._text[:size], self._text[size:]
        return bytes(part)


class Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def at(self, step: str) -> Iterator[None]:
        """Add what is spent within."""
        began = time.process_time()
        yield
        self.spent[step] = self.spent.get(step, 0.0) + time.process_time() - began


def measure(query: str, url: str, folder: Path) -> dict[str, float]:
    """Take every step of landing one export, each to its end before the next."""
    spent = Clock()
    spent.spent["start"] = time.process_time()
    plan = plan_run(Asked(DATASET, **DAY), clock)
    with open_run(plan, clock=clock) as run:
        kept = Kept()
        name = f"{query.removesuffix('_zst')}.csv.zst"
        with spent.at("download and unpack"):
            run.tools.client.nql.stream("0", kept, Compression.ZSTD, url=f"{url}/files/{name}")
        _land(run, b"".join(kept.pieces), folder, spent)
    return spent.spent


def _land(run: Run, text: bytes, folder: Path, spent: Clock) -> None:
    with spent.at("read"):
        file = ResultFile(Text(text))
        tables = list(file.tables())
    specification = run.plan.specification
    window = specification.window
    if window is None:
        raise AssertionError("the dataset has windows")
    part = (window.column, next(unit.window for unit in run.plan.units if unit.window))
    layout = match_header(file.header, specification)
    conformer = Conformer(layout, "UTC", run.run_id, NOW, part)
    with spent.at("type"):
        # Not kept: what is new in memory costs time that a landing, which frees it, does not take.
        for table in tables:
            conformer.conform(table)
    typed = [conformer.conform(table).table for table in tables]
    with spent.at("write"), Stage(folder / "stage", conformer.arrow_schema()) as stage:
        for table in typed:
            stage.write("date=2026-11-19", table)
        stage.finish()


if __name__ == "__main__":
    start_lightly()
    point_to(sys.argv[2], Path(sys.argv[3]))
    print(json.dumps(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
